// Orders for the examples, one JSON object a line, at a steady rate: node examples/orders.ts --rate 500 [--count 10000] [--users 1000] | tidemark write orders --key user
import { parseArgs } from 'node:util'

const TICK_MS = 50

const wrongUse = (why: string): never => {
  console.error(`orders: ${why}. It takes --rate (500), --count (no end) and --users (1000), numbers above 0`)
  process.exit(2)
}
const given = () => {
  try {
    return parseArgs({ options: { rate: { type: 'string', default: '500' }, count: { type: 'string', default: 'Infinity' }, users: { type: 'string', default: '1000' } } }).values
  } catch (error) {
    return wrongUse((error as Error).message)
  }
}
const values = given()
const [rate, count, users] = [Number(values.rate), Number(values.count), Number(values.users)]
if (!(rate > 0 && count > 0 && users >= 1)) wrongUse('a number is none, or too small')

const order = () => JSON.stringify({ user: `user-${Math.floor(Math.random() * users)}`, amount: 1 + Math.floor(Math.random() * 100), ts: Date.now() })

// Whoever reads has ended.
process.stdout.on('error', () => process.exit(1))
const startedAt = performance.now()
for (let made = 0; made < count;) {
  const due = Math.min(count, Math.floor((performance.now() - startedAt) * rate / 1_000))
  const lines: string[] = []
  for (; made < due; made++) lines.push(`${order()}\n`)
  // A reader that is slower slows us down; what is late is made up for.
  if (!process.stdout.write(lines.join(''))) await new Promise((resolve) => process.stdout.once('drain', resolve))
  await new Promise((resolve) => setTimeout(resolve, TICK_MS))
}
