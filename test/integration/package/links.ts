// Links in the Markdown of a folder, found by a way of their own: as a reader who clicks on each.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

export interface Link {
  readonly from: string
  readonly to: string
}

/** Those that lead to a file or folder beside, in no block of code. */
export const links = (folder: string): Link[] => readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.md') && !file.includes('node_modules')).flatMap((from) =>
  [...readFileSync(join(folder, from), 'utf8').replaceAll(/^```[^]*?^```/gm, '').matchAll(/\]\(([^)]+)\)/g)].flatMap(([, to = '']) => to.includes('://') || to.startsWith('#') ? [] : [{ from, to }]))

/** `within`: the folder in which its files stand when a reader clicks. */
export const deadLinks = (folder: string, within = folder): Link[] => links(folder).filter(({ from, to }) => !existsSync(join(within, dirname(from), to.split('#')[0] ?? '')))
