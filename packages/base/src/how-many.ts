// A number and what it counts, as people say it.

/** `1 slot`, `2 slots`; what follows may go along: `howMany(n, 'task moves', 'tasks move')`. */
export const howMany = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`
