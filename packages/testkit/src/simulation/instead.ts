// Puts something between a port, or a task, and whoever uses it.

/** `over` instead of the methods of `real` that have these names. */
export const instead = <T extends object>(real: T, over: Partial<T>): T => new Proxy(real, {
  get: (target, name) => {
    if (Object.hasOwn(over, name)) return Reflect.get(over, name) as unknown
    const value: unknown = Reflect.get(target, name, target)
    return typeof value === 'function' ? value.bind(target) as unknown : value
  },
})
