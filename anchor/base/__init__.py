"""What the rest stands on: errors, types, sentences, strict JSON, files, object stores."""
