// docs/failures.md: every row ends by itself or in a choice that is named, no third way, and names a test that is there.
import { describe, expect, test } from '@jest/globals'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const PAGE = fileURLToPath(new URL('../../docs/failures.md', import.meta.url))

interface Row {
  readonly what: string
  readonly cell: (title: string) => string
}

const rows = (page: string): Row[] => {
  const found: Row[] = []
  let titles: readonly string[] | undefined
  for (const line of page.split('\n')) {
    if (!line.startsWith('|')) {
      titles = undefined
      continue
    }
    const cells = line.slice(1, line.lastIndexOf('|')).split('|').map((cell) => cell.trim())
    if (titles === undefined) titles = cells
    else if (!line.startsWith('|---')) {
      const under = titles
      found.push({ what: cells[0] ?? '', cell: (title) => cells[under.indexOf(title)] ?? '' })
    }
  }
  return found
}

const all = rows(readFileSync(PAGE, 'utf8'))
const wrong = (of: (row: Row) => boolean): string[] => all.filter((row) => !of(row)).map(({ what }) => what)

describe('docs: bad input and failures', () => {
  test('failures, every row → ends by itself, or in a choice for a person; a choice says what to do', () => {
    expect(all.length).toBeGreaterThan(50)
    expect(wrong(({ cell }) => cell('ends') === 'by itself' || (cell('ends') === 'choice' ? cell('what to do') !== '' : /^choice: \S/.test(cell('ends'))))).toEqual([])
  })

  test('failures, every row → names a test or a command that shows it; each that is linked is there', () => {
    expect(wrong(({ cell }) => /\]\([^)]+\.ts\)|`npm run faults/.test(cell('shown by')))).toEqual([])
    const links = [...readFileSync(PAGE, 'utf8').matchAll(/\]\((\.\.\/[^)#]+)\)/g)].map(([, path]) => path ?? '')
    expect(links.filter((path) => !existsSync(join(dirname(PAGE), path)))).toEqual([])
  })
})
