// Operators without state: map, filter, flatMap, and a keyBy that needs no shuffle.
import { TidemarkError } from '@tidemark/base'
import type { FilterFunctions, FlatMapFunctions, KeyByFunctions, MapFunctions, NodeId } from 'tidemark'
import { checkKey, sameText } from './keys.ts'
import type { Push, Scope } from './scope.ts'
import { refusePromise } from './user-code.ts'

export const mapOperator = (node: NodeId, functions: MapFunctions, scope: Scope, next: Push): Push => (value) => {
  scope.node = node
  const result = functions.map(value)
  refusePromise(result, `map ${node}`)
  next(result)
}

export const filterOperator = (node: NodeId, functions: FilterFunctions, scope: Scope, next: Push): Push => (value) => {
  scope.node = node
  const keep: unknown = functions.test(value)
  if (!keep) return
  refusePromise(keep, `filter ${node}`)
  next(value)
}

export const flatMapOperator = (node: NodeId, functions: FlatMapFunctions, scope: Scope, next: Push): Push => (value) => {
  scope.node = node
  const results = functions.flatMap(value)
  refusePromise(results, `flatMap ${node}`)
  for (const result of results) {
    next(result)
    scope.node = node
  }
}

/** The record must have been keyed by this in its topic already: its bytes are the key's text. A window's result or a timer's output has the key it was made under. */
export const copartitionedKeyOperator = (node: NodeId, functions: KeyByFunctions, scope: Scope, next: Push): Push => (value) => {
  scope.node = node
  const key = functions.key(value)
  refusePromise(key, `keyBy ${node}`)
  checkKey(key)
  const text = typeof key === 'string' ? key : String(key)
  if (scope.recordKey === null ? scope.key === undefined || String(scope.key) !== text : !sameText(scope.recordKey, text)) {
    throw new TidemarkError(`keyBy(…, { copartitioned: true }) selected the key ${JSON.stringify(key)} of a record whose own key is ${JSON.stringify(scope.recordKey?.toString() ?? scope.key ?? null)}`, {
      code: 'TASK_NOT_COPARTITIONED', blame: 'user', action: 'fail-job', hint: 'The topic is not keyed by this. Leave `copartitioned` out: the records are shuffled then.',
    })
  }
  const before = scope.key
  scope.key = key
  next(value)
  scope.key = before
}

/** Several readers of one node. */
export const fanOut = (readers: readonly Push[]): Push => {
  const [first, second] = readers
  if (first === undefined) return () => {}
  if (second === undefined) return first
  return (value) => {
    for (const reader of readers) reader(value)
  }
}
