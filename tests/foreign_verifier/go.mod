module foreign_verifier

go 1.20
