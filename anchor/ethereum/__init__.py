"""Bytes of Ethereum: hashes, RLP, tries, headers and the known chains; pure, no node is asked."""
