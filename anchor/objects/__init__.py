"""Evidence that lies in object stores: URLs, listing, hashing, and manifests of what was hashed."""
