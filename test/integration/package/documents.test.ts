// The documents of the package: every link in them leads to something that is in it.
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { withoutDeadLinks, writeDocuments } from '../../../deploy/package/documents.ts'
import { deadLinks, links } from './links.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-documents-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('documents of the package', () => {
  test('links, as they are packed → each leads somewhere; those to docs, examples and proto files are still there', () => {
    cpSync(join(ROOT, 'proto'), join(folder, 'proto'), { recursive: true })
    writeDocuments(ROOT, folder)
    expect(deadLinks(folder)).toEqual([])
    const left = links(folder).filter(({ from }) => from === 'README.md').map(({ to }) => to)
    expect(left).toEqual(expect.arrayContaining(['docs/protocol.md', 'docs/failures.md', 'docs/decisions/README.md', 'examples', 'examples/fraud.ts', 'examples/submit.py', 'proto/tidemark/v1/jobs.proto', 'LICENSE']))
    expect(left.filter((to) => to.startsWith('packages'))).toEqual([])
    // Nothing is lost but the links.
    const plain = (text: string): string => text.replaceAll(/\[([^\]]*)\]\([^)\s]+\)/g, '$1')
    expect(plain(readFileSync(join(folder, 'README.md'), 'utf8'))).toBe(plain(readFileSync(join(ROOT, 'README.md'), 'utf8')))
  })

  test('links, in the repository → each leads somewhere', () => {
    for (const place of ['README.md', 'CONTRIBUTING.md', 'LICENSE', 'docs', 'examples']) cpSync(join(ROOT, place), join(folder, place), { recursive: true })
    expect(links(folder).length).toBeGreaterThan(100)
    expect(deadLinks(folder, ROOT)).toEqual([])
  })

  test('links, one that leads nowhere, with and without an anchor → its text; one elsewhere, into the same page, or in code → as it is', () => {
    const isThere = (path: string): boolean => path === 'there.md' || path === 'a b.md'
    expect(withoutDeadLinks('[a](gone.md), [b](gone/c.md#d) and [`e`](there.md#f), [g](a%20b.md)', isThere)).toBe('a, b and [`e`](there.md#f), [g](a%20b.md)')
    const asItIs = ['[a](https://example.com/gone)', '[b](#gone)', '`[c](gone)`', '```', '[d](gone)', '```', 'e [from, to) (gone)'].join('\n')
    expect(withoutDeadLinks(asItIs, isThere)).toBe(asItIs)
  })
})
