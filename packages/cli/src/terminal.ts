// Where a command writes: lines for people or one JSON value a line on stdout, remarks on stderr.
import type { styleText } from 'node:util'

export type Style = Parameters<typeof styleText>[0]
/** Colours a text, or leaves it as it is: no terminal, NO_COLOR. */
export type Paint = (style: Style, text: string) => string

export interface Terminal {
  /** One line of stdout. */
  line(text: string): void
  /** One line of stderr: what is said beside the answer. */
  note(text: string): void
  /** One JSON value on one line of stdout. */
  json(value: unknown): void
  /** Replaces the last line of a terminal that can do so; elsewhere nothing. */
  status(text: string): void
  /** Replaces the frame before, line by line, on a terminal; elsewhere nothing. Cut to its width and height. */
  frame(lines: readonly string[]): void
  /** What is shown stays, and what comes next stands below it. */
  keepFrame(): void
  /** The command is over: a status line goes, a frame stays; what is said now stands on lines of its own. */
  end(): void
  readonly paint: Paint
  /** A person watches: stdout is a terminal. */
  readonly live: boolean
}

interface Stream {
  write(text: string): unknown
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  readonly rows?: number | undefined
}

// oxlint-disable-next-line no-control-regex -- what colours a text
const COLOUR = /(\u001B\[[0-9;]*m)/

/** So many characters as are seen; colours count nothing, and end where the text is cut. */
export const cut = (text: string, width: number): string => {
  let left = width
  let out = ''
  let coloured = false
  for (const piece of text.split(COLOUR)) {
    if (COLOUR.test(piece)) {
      out += piece
      coloured = true
      continue
    }
    const characters = [...piece]
    if (characters.length > left) return `${out}${characters.slice(0, left).join('')}${coloured ? '\u001B[0m' : ''}`
    out += piece
    left -= characters.length
  }
  return out
}

const ERASE_LINE = '\r\u001B[K'

export const openTerminal = (stdout: Stream, stderr: Stream, paint: Paint): Terminal => {
  const live = stdout.isTTY === true
  let status = ''
  let shown: readonly string[] = []
  const erase = (): string => shown.length === 0 ? '' : `\r${shown.length > 1 ? `\u001B[${shown.length - 1}A` : ''}\u001B[J`
  const above = (stream: Stream, text: string): void => {
    if (shown.length > 0) stdout.write(erase())
    else if (status !== '') stdout.write(ERASE_LINE)
    stream.write(`${text}\n`)
    if (shown.length > 0) stdout.write(shown.join('\n'))
    else if (status !== '') stdout.write(status)
  }
  const keepFrame = (): void => {
    if (shown.length > 0) stdout.write('\n')
    shown = []
  }
  return {
    live, paint, keepFrame,
    line: (text) => above(stdout, text),
    note: (text) => above(stderr, text),
    json: (value) => above(stdout, JSON.stringify(value)),
    status: (text) => {
      if (!live) return
      // A status that wraps could not be erased again.
      status = cut(text, (stdout.columns ?? 80) - 1)
      stdout.write(`${ERASE_LINE}${status}`)
    },
    frame: (lines) => {
      if (!live) return
      const next = lines.slice(0, Math.max(1, (stdout.rows ?? 24) - 1)).map((line) => cut(line, (stdout.columns ?? 80) - 1))
      // In one piece: what is erased first and drawn later flickers.
      stdout.write(`${erase()}${next.join('\n')}`)
      shown = next
    },
    end: () => {
      keepFrame()
      if (status !== '') stdout.write(ERASE_LINE)
      status = ''
    },
  }
}
