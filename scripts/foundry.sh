# Source this from the repository's root, with .venv active, to run forge, slither or Halmos by hand
# with the pinned tools and compiler:  . scripts/foundry.sh && forge test

# npm's wrapper scripts need a postinstall step that may not have run; the binaries do not.
for folder in "$PWD"/node_modules/@foundry-rs/forge-*/bin; do
    PATH="$folder:$PATH"
done
FOUNDRY_SOLC=$(python scripts/_build/setup_compiler.py)
# Nothing is looked up or downloaded; without this forge asks the network for signatures.
FOUNDRY_OFFLINE=true
export PATH FOUNDRY_SOLC FOUNDRY_OFFLINE
