// Where the lines of one file begin, as far as it was read: every 1,024th line, the furthest, and where the last read ended.

/** A line that begins at `byte`; both from 0. */
export interface LineStart {
  readonly line: number
  readonly byte: number
}

/** 8 bytes are kept for so many lines, and at most so many are scanned to step back. */
const LINES_PER_MARK = 1_024

export class LineIndex {
  /** `dev:ino` of the file that was read; another file under the same path is another topic. */
  readonly identity: string
  readonly #marks: number[] = [0]
  #furthestLine = 0
  #furthestByte = 0
  #last: LineStart = { line: 0, byte: 0 }

  constructor(identity: string) {
    this.identity = identity
  }

  /** Every line before this one is complete. */
  get furthest(): LineStart {
    return { line: this.#furthestLine, byte: this.#furthestByte }
  }

  /** Call for each line start met, in order; ones already known are skipped. */
  note(line: number, byte: number): void {
    if (line <= this.#furthestLine) return
    if (line % LINES_PER_MARK === 0) this.#marks.push(byte)
    this.#furthestLine = line
    this.#furthestByte = byte
  }

  /** The next read is expected to begin here. */
  endedAt(at: LineStart): void {
    this.#last = at
  }

  /** The closest line start known at or before `line`. */
  before(line: number): LineStart {
    if (line === this.#last.line) return this.#last
    if (line >= this.#furthestLine) return this.furthest
    const mark = Math.floor(line / LINES_PER_MARK)
    const byte = this.#marks[mark]
    const marked = byte === undefined ? { line: 0, byte: 0 } : { line: mark * LINES_PER_MARK, byte }
    return this.#last.line <= line && this.#last.line > marked.line ? this.#last : marked
  }
}
