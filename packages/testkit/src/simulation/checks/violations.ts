// What checks find. They only note it: an exception would reach the process under test instead of the one who watches.

export class Violations {
  readonly found: string[] = []

  add(check: string, message: string): void {
    this.found.push(`${check}: ${message}`)
  }
}
