// planHash: a plan's identity. A slot compares the plan it has built from the bundle with the one that was submitted.
import { hash } from 'node:crypto'
import type { LogicalPlan } from './plan.ts'

/** JSON with the fields of each object in code unit order and no white space (RFC 8785, for the values a plan has). */
const canonicalJson = (value: unknown): string => JSON.stringify(value, (_name, each: unknown) =>
  typeof each === 'object' && each !== null && !Array.isArray(each) ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => a < b ? -1 : 1)) : each)

/** Hex SHA-256 of the plan's canonical JSON: 64 characters, the same for equal plans whatever the order of their fields. */
export const planHash = (plan: LogicalPlan): string => hash('sha256', canonicalJson(plan), 'hex')
