"""The program that is built."""

print("hello")
