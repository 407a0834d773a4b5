"""Rules for the people of the platform: roles, lifetimes, names as providers state them."""
