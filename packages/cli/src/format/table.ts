// A table for a terminal: columns as wide as their widest cell, two blanks between.
import { stripVTControlCharacters } from 'node:util'

export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
}

const width = (text: string): number => stripVTControlCharacters(text).length

/** Lines without trailing blanks; the first has the titles. Cells may be coloured. */
export const table = (columns: readonly Column[], rows: readonly (readonly string[])[]): string[] => {
  const widths = columns.map(({ title }, at) => Math.max(width(title), ...rows.map((row) => width(row[at] ?? ''))))
  const line = (cells: readonly string[]): string => columns.map(({ align }, at) => {
    const cell = cells[at] ?? ''
    const blanks = ' '.repeat((widths[at] ?? 0) - width(cell))
    return align === 'right' ? blanks + cell : cell + blanks
  }).join('  ').trimEnd()
  return [line(columns.map(({ title }) => title)), ...rows.map(line)]
}

/** `key: value` lines with the values under each other. */
export const facts = (pairs: readonly (readonly [string, string])[]): string[] => {
  const widest = Math.max(0, ...pairs.map(([name]) => name.length))
  return pairs.map(([name, value]) => `${name.padEnd(widest)}  ${value}`)
}
