import {
  decodeRequestHeader,
  decodeResponseHeader,
  encodeRequestHeader,
  encodeResponseHeader,
} from '@millrace/protocol/header'
import type { Json } from '@millrace/protocol/json'
import { Reader } from '@millrace/protocol/reader'
import { Writer } from '@millrace/protocol/writer'
import type { Checker } from './checker.ts'
import { messageMismatch } from './message-bytes.ts'
import { allMessages } from '@millrace/protocol/fuzzing/all-messages.fuzz'
import type { Message } from '@millrace/protocol/schema'

/** `controller-traffic.jsonl`: frames with their headers, as brokers sent them to each other. Reported per API. */
export const checker: Checker = {
  format: 'controller-traffic',

  recognizes(first) {
    return typeof first['requestHex'] === 'string' && typeof first['apiKey'] === 'number'
  },

  async check({ vectors }, report) {
    const rows = await allMessages()
    for (const { line, value } of vectors) {
      const exchange = value as unknown as Exchange
      const subject = `v${exchange.apiVersion} ${exchange.from} -> ${exchange.to}, ${exchange.step}`
      try {
        const why = requestMismatch(exchange, rows) ?? responseMismatch(exchange, rows)
        if (why === null) report.passed(exchange.api)
        else report.failed(exchange.api, { line, subject, why })
      } catch (error) {
        report.failed(exchange.api, { line, subject, why: String(error) })
      }
    }
  },
}

interface Exchange {
  readonly step: string
  readonly from: string
  readonly to: number
  readonly api: string
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
  readonly requestHex: string
  readonly responseHex: string | null
  readonly requestJson: Json
  readonly responseJson?: Json
}

function requestMismatch(exchange: Exchange, rows: ReadonlyMap<string, Message<unknown>>): string | null {
  const row = rows.get(`${exchange.api}Request`)
  if (row === undefined) return 'there is no such request'
  const bytes = Buffer.from(exchange.requestHex, 'hex')
  const reader = new Reader(bytes)
  const header = decodeRequestHeader(reader)
  const { apiKey, apiVersion, correlationId } = exchange
  if (header.apiKey !== apiKey || header.apiVersion !== apiVersion || header.correlationId !== correlationId) {
    return `request header ${JSON.stringify(header)}`
  }
  if (header.clientId !== exchange.from) return `client id should be ${exchange.from}, is ${header.clientId}`
  const writer = new Writer()
  encodeRequestHeader(writer, header)
  if (!writer.finish().equals(bytes.subarray(0, reader.position))) return 'its header encodes to other bytes'
  const why = messageMismatch(row, apiVersion, exchange.requestJson, bytes.subarray(reader.position))
  return why === null ? null : `request: ${why}`
}

function responseMismatch(exchange: Exchange, rows: ReadonlyMap<string, Message<unknown>>): string | null {
  if (exchange.responseHex === null) return null // the connection ended first
  const row = rows.get(`${exchange.api}Response`)
  if (row === undefined) return 'there is no such response'
  const bytes = Buffer.from(exchange.responseHex, 'hex')
  const reader = new Reader(bytes)
  const correlationId = decodeResponseHeader(reader, exchange)
  if (correlationId !== exchange.correlationId) return `the response has correlation id ${correlationId}`
  const writer = new Writer()
  encodeResponseHeader(writer, exchange, correlationId)
  if (!writer.finish().equals(bytes.subarray(0, reader.position))) return 'its response header encodes to other bytes'
  if (exchange.responseJson === undefined || exchange.responseJson === null) return 'a response without JSON'
  const why = messageMismatch(row, exchange.apiVersion, exchange.responseJson, bytes.subarray(reader.position))
  return why === null ? null : `response: ${why}`
}
