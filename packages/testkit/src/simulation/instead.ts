// Puts something between a port, or a task, and whoever uses it.

interface Bound {
  readonly of: unknown
  readonly method: unknown
}

/** `over` instead of the methods of `real` that have these names. */
export const instead = <T extends object>(real: T, over: Partial<T>): T => {
  const bound = new Map<string | symbol, Bound>()
  return new Proxy(real, {
    get: (target, name) => {
      if (Object.hasOwn(over, name)) return Reflect.get(over, name) as unknown
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      const known = bound.get(name)
      if (known !== undefined && known.of === value) return known.method
      const method = value.bind(target) as unknown
      bound.set(name, { of: value, method })
      return method
    },
  })
}
