// Log events, not prose: one event, one line. pino has this shape; the mains make the real one.

export interface Logger {
  debug(facts: object, event: string): void
  info(facts: object, event: string): void
  warn(facts: object, event: string): void
  error(facts: object, event: string): void
  child(facts: object): Logger
}

export const silentLogger: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silentLogger }
