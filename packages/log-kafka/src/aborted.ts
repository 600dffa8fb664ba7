// Which record batches belong to aborted transactions: the broker's list, walked in offset order as the Java client does (apache/kafka#2840).

/** First four bytes of a control record's key: version and type, both int16; type 0 is an abort marker, 1 a commit marker. */
export const isAbortMarker = (controlKey: Buffer | null): boolean => controlKey !== null && controlKey.length >= 4 && controlKey.readInt16BE(2) === 0

/** One per fetched partition; asked with growing offsets. The broker's list comes in any order and covers more than one open transaction. */
export class AbortedTransactions {
  readonly #queue: { readonly producerId: string, readonly firstOffset: number }[]
  readonly #open = new Set<string>()
  #at = 0

  constructor(list: readonly { readonly producerId: string, readonly firstOffset: number }[]) {
    this.#queue = list.toSorted((a, b) => a.firstOffset - b.firstOffset)
  }

  /** Whether transactional records of this producer up to `lastOffset` (their batch's last) are of an aborted transaction. */
  hides(producerId: string, lastOffset: number): boolean {
    for (let next = this.#queue[this.#at]; next !== undefined && next.firstOffset <= lastOffset; next = this.#queue[++this.#at]) this.#open.add(next.producerId)
    return this.#open.has(producerId)
  }

  /** An abort marker of this producer was passed: what follows belongs to its next transaction. */
  ended(producerId: string): void {
    this.#open.delete(producerId)
  }
}
