// What the client's errors are to whoever has to go on: some end a job, and must not be said of a log that is only away.
import { expect, test } from '@jest/globals'
import { clientError } from './errors.ts'

const login = (message: string): Error => Object.assign(new Error(message), { name: 'KafkaJSSASLAuthenticationError' })

test.each([
  'SASL PLAIN authentication failed: Connection timeout', 'SASL PLAIN authentication failed: Closed connection', 'SASL SCRAM SHA256 authentication failed: Connection error: read ECONNRESET',
  'SASL PLAIN authentication failed: Request SaslAuthenticate(key: 36, version: 1) timed out', 'SASL PLAIN authentication failed: connect EHOSTUNREACH',
])('a login that was cut off → the log is away, and asked again: %s', (message) => {
  expect(clientError(login(message), 'metadata')).toMatchObject({ code: 'LOG_UNAVAILABLE', action: 'retry' })
})
test.each([
  'SASL PLAIN authentication failed: Authentication failed: Invalid username or password', 'SASL SCRAM SHA256 authentication failed: SASL Authentication failed',
  'SASL PLAIN mechanism is not supported by the server', 'SASL SCRAM SHA512 authentication failed: Invalid server signature in server final message',
])('a login that the broker refused → refused, and said so: %s', (message) => {
  expect(clientError(login(message), 'metadata')).toMatchObject({ code: 'LOG_NOT_AUTHORISED', action: 'fail-job' })
})
