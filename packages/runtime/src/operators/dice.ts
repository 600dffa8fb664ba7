// Random numbers that follow from a seed: sfc32 (Chris Doty-Humphrey's Small Fast Counting generator, PractRand).

export class Dice {
  #a: number
  #b: number
  #c: number
  #counter = 1

  /** At least 12 bytes. */
  constructor(seed: Buffer) {
    this.#a = seed.readInt32LE(0)
    this.#b = seed.readInt32LE(4)
    this.#c = seed.readInt32LE(8)
    for (let i = 0; i < 12; i += 1) this.#word()
  }

  /** In [0, 1), of 53 bits. */
  next(): number {
    return ((this.#word() >>> 5) * 67_108_864 + (this.#word() >>> 6)) / 9_007_199_254_740_992
  }

  /** Shaped as a version 4 UUID. */
  uuid(): string {
    const bytes = Buffer.allocUnsafe(16)
    for (let i = 0; i < 16; i += 4) bytes.writeInt32LE(this.#word(), i)
    bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40
    bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
    const hex = bytes.toString('hex')
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
  }

  #word(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum
  }
}
