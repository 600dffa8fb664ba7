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
  readonly paint: Paint
  /** A person watches: stdout is a terminal. */
  readonly live: boolean
}

interface Stream {
  write(text: string): unknown
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
}

const ERASE_LINE = '\r\u001B[K'

export const openTerminal = (stdout: Stream, stderr: Stream, paint: Paint): Terminal => {
  const live = stdout.isTTY === true
  let status = ''
  const above = (stream: Stream, text: string): void => {
    if (status !== '') stdout.write(ERASE_LINE)
    stream.write(`${text}\n`)
    if (status !== '') stdout.write(status)
  }
  return {
    live, paint,
    line: (text) => above(stdout, text),
    note: (text) => above(stderr, text),
    json: (value) => above(stdout, JSON.stringify(value)),
    status: (text) => {
      if (!live) return
      // A status that wraps could not be erased again.
      status = text.slice(0, (stdout.columns ?? 80) - 1)
      stdout.write(`${ERASE_LINE}${status}`)
    },
  }
}
