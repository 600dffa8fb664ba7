// A failing simulation for people: what is wrong, the plan that makes it so, how to see it again, and what happened.
import type { Outcome } from './simulate.ts'

const VIOLATIONS_SHOWN = 5

export const describeOutcome = (outcome: Outcome, shrunk: Outcome, traceLines = 60): string => [
  `seed ${outcome.seed} (${outcome.shape}) fails after ${Math.round(outcome.virtualMs)} virtual ms:`,
  ...outcome.violations.slice(0, VIOLATIONS_SHOWN).map((violation) => `  ${violation}`),
  `  its input and plan: ${JSON.stringify(outcome.variety)} ${JSON.stringify(outcome.plan)}`,
  `shrunk to ${shrunk.plan.length} of ${outcome.plan.length} faults, and ${JSON.stringify(shrunk.variety)}:`,
  ...shrunk.plan.map((fault) => `  ${JSON.stringify(fault)}`),
  ...shrunk.violations.slice(0, VIOLATIONS_SHOWN).map((violation) => `  → ${violation}`),
  `the last of ${shrunk.traceLength} lines of its trace:`,
  ...shrunk.trace().slice(-traceLines),
  `again: npm run simulate -- --seed ${outcome.seed}`,
].join('\n')
