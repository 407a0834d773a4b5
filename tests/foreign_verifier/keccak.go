package main

import (
	"encoding/binary"
	"math/bits"
)

// Keccak-256 with the padding byte 0x01 (docs/spec/README.md, "Cryptography").

const rate = 136

var roundConstants, rotations = makeConstants()

func makeConstants() (constants [24]uint64, turns [25]int) {
	register := uint(1)
	for round := range constants {
		for j := 0; j < 7; j++ {
			if register&1 == 1 {
				constants[round] |= 1 << (1<<j - 1)
			}
			register <<= 1
			if register&0x100 != 0 {
				register ^= 0x171
			}
		}
	}
	x, y := 1, 0
	for t := 0; t < 24; t++ {
		turns[x+5*y] = (t + 1) * (t + 2) / 2 % 64
		x, y = y, (2*x+3*y)%5
	}
	return constants, turns
}

func permute(a *[25]uint64) {
	for _, constant := range roundConstants {
		var columns [5]uint64
		for x := range columns {
			columns[x] = a[x] ^ a[x+5] ^ a[x+10] ^ a[x+15] ^ a[x+20]
		}
		var mixed [25]uint64
		for n := range a {
			x, y := n%5, n/5
			lane := a[n] ^ columns[(x+4)%5] ^ bits.RotateLeft64(columns[(x+1)%5], 1)
			mixed[y+5*((2*x+3*y)%5)] = bits.RotateLeft64(lane, rotations[n])
		}
		for n := range a {
			row := n / 5 * 5
			a[n] = mixed[n] ^ (^mixed[row+(n+1)%5] & mixed[row+(n+2)%5])
		}
		a[0] ^= constant
	}
}

func keccak256(parts ...[]byte) (hash [32]byte) {
	var padded []byte
	for _, part := range parts {
		padded = append(padded, part...)
	}
	length := len(padded)
	padded = append(padded, make([]byte, rate-length%rate)...)
	padded[length] |= 0x01
	padded[len(padded)-1] |= 0x80
	var lanes [25]uint64
	for start := 0; start < len(padded); start += rate {
		for n := 0; n < rate/8; n++ {
			lanes[n] ^= binary.LittleEndian.Uint64(padded[start+8*n:])
		}
		permute(&lanes)
	}
	for n := 0; n < 4; n++ {
		binary.LittleEndian.PutUint64(hash[8*n:], lanes[n])
	}
	return hash
}
