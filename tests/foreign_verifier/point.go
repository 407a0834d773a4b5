package main

import "math/big"

// Whether 32 bytes encode a point of edwards25519 (RFC 8032, section 5.1.3).

var (
	prime = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	curve = func() *big.Int { // d = -121665 / 121666
		inverse := new(big.Int).ModInverse(big.NewInt(121_666), prime)
		d := new(big.Int).Mul(big.NewInt(-121_665), inverse)
		return d.Mod(d, prime)
	}()
)

func isPoint(encoded []byte) bool {
	reversed := make([]byte, 32)
	for at, each := range encoded {
		reversed[31-at] = each
	}
	isOdd := reversed[0]&0x80 != 0
	reversed[0] &= 0x7f
	y := new(big.Int).SetBytes(reversed)
	if y.Cmp(prime) >= 0 {
		return false
	}
	square := new(big.Int).Mul(y, y)
	u := new(big.Int).Sub(square, big.NewInt(1))
	v := new(big.Int).Mul(curve, square)
	v.Add(v, big.NewInt(1)).ModInverse(v.Mod(v, prime), prime)
	x2 := u.Mul(u, v)
	x2.Mod(x2, prime)
	if x2.Sign() == 0 {
		return !isOdd
	}
	return new(big.Int).ModSqrt(x2, prime) != nil
}
