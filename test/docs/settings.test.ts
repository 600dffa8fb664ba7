// docs/settings.md against the code: a row for each setting of each process and of a job, with its key, its users and the words of its help; no row for one that is none.
import { describe, expect, test } from '@jest/globals'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CLI_SETTINGS, DRIVER_SETTINGS, EXECUTOR_SETTINGS, keyOf } from '@tidemark/base'
import type { SettingSpecs } from '@tidemark/base'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const page = readFileSync(join(ROOT, 'docs/settings.md'), 'utf8')
const USERS: Readonly<Record<string, SettingSpecs>> = { commands: CLI_SETTINGS, driver: DRIVER_SETTINGS, executor: EXECUTOR_SETTINGS }

const rowsUnder = (title: string): string[][] => {
  const section = page.split(/^## /m).find((one) => one.startsWith(title)) ?? ''
  return section.split('\n').filter((line) => line.startsWith('| `')).map((line) => line.slice(2, -2).split(' | ').map((cell) => cell.trim()))
}

describe('docs: settings', () => {
  test('settings, every one of a process → a row: variable, key, who reads it, default and meaning as one of them says it', () => {
    const wanted = new Map(Object.values(USERS).flatMap((specs) => Object.values(specs).map((spec) => [spec.env, spec] as const)))
    const rows = rowsUnder('Of processes')
    expect(rows.map(([variable]) => variable).toSorted()).toEqual([...wanted.keys()].map((name) => `\`${name}\``).toSorted())
    for (const [variable = '', key, usedBy, fallback = '', meaning] of rows) {
      const name = variable.slice(1, -1)
      const users = Object.entries(USERS).filter(([, specs]) => Object.values(specs).some(({ env }) => env === name)).map(([user]) => user)
      const abouts = Object.values(USERS).flatMap((specs) => Object.values(specs).filter(({ env }) => env === name).map(({ about }) => about))
      expect([key, usedBy]).toEqual([`\`${keyOf(wanted.get(name) as Parameters<typeof keyOf>[0])}\``, users.length === 3 ? 'all' : users.join(', ')])
      expect(abouts.map((about) => about.replace(/ ?Default:.*$/, '') === meaning && (/Default: (.*)$/.exec(about)?.[1] ?? '') === fallback)).toContain(true)
    }
  })

  test('settings, every one of a job → a row with the words that an editor shows', () => {
    const options = readFileSync(join(ROOT, 'packages/api/src/settings.ts'), 'utf8').split('export interface JobOptions')[1]?.split('\n}')[0] ?? ''
    const names = [...options.matchAll(/readonly (\w+)\?:/g)].map(([, name]) => name)
    const abouts = new Map([...options.matchAll(/\/\*\*((?:(?!\*\/)[^])*)\*\/\s+readonly (\w+)\?:/g)].map(([, about = '', name]) => [name, about.replaceAll(/\s*\n\s*\*? ?/g, ' ').trim()]))
    expect(names.length).toBeGreaterThan(10)
    expect(rowsUnder('Of a job')).toEqual(names.map((name) => [`\`${name}\``, abouts.get(name)]))
  })

  test('settings, what changes durability → names settings that there are', () => {
    const named = [...(page.split('## What lasts')[1] ?? '').matchAll(/`(TIDEMARK_\w+|[a-z]+[A-Z]\w+)`/g)].map(([, name]) => name)
    expect(named.length).toBeGreaterThan(4)
    expect(named.filter((name) => !page.includes(`| \`${name}\` |`))).toEqual([])
  })
})
