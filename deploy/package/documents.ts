// What the package has for people: README, license, docs and examples. Of their links those are kept that lead to something in it.
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { transformSync } from 'esbuild'

/** Folders and files of the repository. */
const DOCUMENTS = ['README.md', 'LICENSE', 'docs', 'examples'] as const

const FENCE = /^\s*(?:```|~~~)/
/** Code, which is left alone, or a link: its text and where it leads. */
const CODE_OR_LINK = /`[^`]*`|\[([^\]]*)\]\(([^)\s]+)\)/g
/** Elsewhere, or in the same file. */
const NO_PATH = /^(?:[a-z][a-z0-9+.-]*:|#)/i

/** `[text](gone)` becomes `text`; `isThere` is asked of each path as it is written, without what follows `#`. */
export const withoutDeadLinks = (markdown: string, isThere: (path: string) => boolean): string => {
  let isCode = false
  return markdown.split('\n').map((line) => {
    if (FENCE.test(line)) isCode = !isCode
    if (isCode) return line
    return line.replaceAll(CODE_OR_LINK, (all: string, text?: string, target = '') => text === undefined || NO_PATH.test(target) || isThere(decodeURIComponent(target.replace(/#.*$/, ''))) ? all : text)
  }).join('\n')
}

/** Programs among the examples, which Node runs: it strips no types under node_modules. Job files the CLI bundles wherever they lie. */
const PROGRAMS = ['examples/orders'] as const

/** Copies them into `folder`; what else its links may lead to has to be there already. */
export const writeDocuments = (root: string, folder: string): void => {
  for (const one of DOCUMENTS) cpSync(join(root, one), join(folder, one), { recursive: true })
  for (const one of PROGRAMS) writeFileSync(join(folder, `${one}.js`), transformSync(readFileSync(join(root, `${one}.ts`), 'utf8'), { loader: 'ts', format: 'esm', charset: 'utf8' }).code)
  for (const one of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const path = join(folder, one)
    if (one.endsWith('.md')) writeFileSync(path, withoutDeadLinks(readFileSync(path, 'utf8'), (to) => existsSync(join(dirname(path), to))))
  }
}
