// The terminal: what is printed above a status line leaves that line last; without a terminal there is none.
import { describe, expect, test } from '@jest/globals'
import { openTerminal } from './terminal.ts'

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
})
