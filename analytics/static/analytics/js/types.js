// @ts-check
/**
 * What the API answers, as the scripts use it. The OpenAPI document is the full description.
 *
 * @typedef {"minute" | "hour" | "day" | "week" | "month"} Step
 * @typedef {{from: string, to: string, tz: string, step: Step}} Period
 * @typedef {Record<string, string | number | null>} Row
 * @typedef {{period: Period, rows: Row[]}} Table
 * @typedef {{now: string, stored_at: string | null, last_event_at: string | null, counted_at: string | null, waiting: number | null,
 *   stopped: boolean}} Freshness
 * @typedef {{id: number, name: string, kind: string, archived: boolean}} Room
 * @typedef {{rooms: Room[], more: boolean}} Rooms
 * @typedef {Record<string, number | null>} Totals
 * @typedef {{period: Period, totals: Totals, minutes: Row[], freshness: Freshness}} Live
 */

export {};
