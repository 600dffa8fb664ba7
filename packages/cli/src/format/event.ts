// One line for one event of the cluster.
import type { JobEvent } from '@tidemark/wire'
import type { Paint, Style } from '../terminal.ts'
import { timeOfDay } from './values.ts'

const BAD = /(?:dead|died|failed|lost|corrupt|refused|given-up|abandoned)/
const GOOD = /(?:running|recovered|completed|joined|registered|started|ready|created)/

const styleOf = (event: string): Style => BAD.test(event) ? 'red' : GOOD.test(event) ? 'green' : 'cyan'

/** One line, also where the message has its causes on lines of their own. `12:00:00.000  executor.dead  revenue  west is dead: stream ended, probe refused` */
export const eventLine = (event: JobEvent, paint: Paint, when = timeOfDay(event.at)): string =>
  [paint('dim', when), paint(styleOf(event.event), event.event.padEnd(22)), ...(event.job === undefined ? [] : [event.job]), event.message.replaceAll('\n', '; ')].join('  ')
