// The terminal: what is printed above a status line leaves that line last; without a terminal there is none.
import { describe, expect, test } from '@jest/globals'
import { cut, openTerminal } from './terminal.ts'

const open = (isTTY: boolean) => {
  let text = ''
  const stream = { isTTY, columns: 10, write: (piece: string) => { text += piece } }
  return { terminal: openTerminal(stream, stream, (_style, plain) => plain), text: () => text }
}

describe('terminal', () => {
  test('status, on a terminal → erased, reprinted behind what is said, cut to one line', () => {
    const { terminal, text } = open(true)
    terminal.status('0123456789abc')
    terminal.line('said')
    terminal.status('')
    terminal.note('last')
    expect(text()).toBe('\r\u001B[K012345678\r\u001B[Ksaid\n012345678\r\u001B[Klast\n')
  })

  test('status, no terminal → nothing; JSON on one line', () => {
    const { terminal, text } = open(false)
    terminal.status('working')
    terminal.json({ a: ['\n'] })
    expect(text()).toBe('{"a":["\\n"]}\n')
  })

  test('frame → replaces the one before, cut to the width; what is said comes above it; kept, it stays', () => {
    const { terminal, text } = open(true)
    terminal.frame(['one', '0123456789abc'])
    terminal.line('said')
    terminal.frame(['two'])
    terminal.keepFrame()
    terminal.line('last')
    expect(text()).toBe('one\n012345678\r\u001B[1A\u001B[Jsaid\none\n012345678\r\u001B[1A\u001B[Jtwo\nlast\n')
  })

  test('frame, no terminal → nothing', () => {
    const { terminal, text } = open(false)
    terminal.frame(['one'])
    terminal.keepFrame()
    expect(text()).toBe('')
  })

  test('end → a status is erased, a frame stays, what is said then begins a line; no terminal, or nothing shown → nothing', () => {
    const [status, frame, idle, none] = [open(true), open(true), open(true), open(false)]
    status.terminal.status('working')
    frame.terminal.frame(['one', 'two'])
    none.terminal.status('working')
    for (const { terminal } of [status, frame, idle, none]) {
      terminal.end()
      terminal.note('failed')
    }
    expect([status, frame, idle, none].map(({ text }) => text())).toEqual(['\r\u001B[Kworking\r\u001B[Kfailed\n', 'one\ntwo\nfailed\n', 'failed\n', 'failed\n'])
  })

  test('cut → colours count nothing, and end where the text ends', () => {
    expect(cut('\u001B[31mred\u001B[39m and more', 5)).toBe('\u001B[31mred\u001B[39m a\u001B[0m')
    expect(cut('\u001B[31mred\u001B[39m', 3)).toBe('\u001B[31mred\u001B[39m')
    expect(cut('abc', 2)).toBe('ab')
  })
})
