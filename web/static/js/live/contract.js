// @ts-check
/**
 * The words of the gateway: what its JSON looks like. Types only; nothing runs.
 *
 * Times are seconds since 1970: `time` of a sample by its machine's clock, `received` by the hub's. A value is in its metric's unit, null is "not read this time".
 *
 * @typedef {{metric: string, instance: string, unit: string, kind: string, instance_label: string}} Series
 * @typedef {"up" | "silent" | "waiting"} MachineState
 * @typedef {{machine: string, state: MachineState, interval_seconds: number, agent_version: string, tags?: string[],
 *   facts: Record<string, string>, time: number | null, received?: number | null, layout: string | null,
 *   values: (number | null)[] | null}} MachineEntry
 * @typedef {{machine: string, time: number, received?: number | null, layout: string,
 *   values: (number | null)[]}} Frame
 * @typedef {{id: number, time: number, kind: string, severity: string, machine: string | null, message: string,
 *   fields: Record<string, unknown>}} FleetEvent
 * @typedef {{rule: string, severity: string, state: "pending" | "firing", machine: string, metric: string,
 *   instance: string, value: number | null, threshold: number | null, since: number, message: string}} Alert
 * @typedef {{instance: string, min: (number | null)[], mean: (number | null)[],
 *   max: (number | null)[]}} HistorySeries
 * @typedef {{tier: "raw" | "minute" | "hour", from: number, to: number}} HistoryTier
 * @typedef {{from: number | null, to: number | null, frames: number,
 *   reason: "shed" | "damaged" | "unknown"}} HistoryGap
 * @typedef {{machine: string, first_seen: number, metric: string, unit: string, kind: string, from: number, to: number,
 *   step_seconds: number, tiers: HistoryTier[], gaps: HistoryGap[], times: number[],
 *   series: HistorySeries[]}} History
 * @typedef {{metric: string, unit: string, kind: string, from: number, to: number, step_seconds: number,
 *   times: number[], series: (HistorySeries & {machine: string})[], gaps: (HistoryGap & {machine: string})[],
 *   unknown: string[], left_out?: {machine: string, unit: string}[]}} FleetHistory
 *
 * Of `unevaluated`, "" says that alerts are evaluated; else it is why they are not.
 *
 * @typedef {{type: "snapshot", time: number, live: boolean, reason?: string, unevaluated?: string, layouts: Record<string, Series[]>,
 *   machines: MachineEntry[], metrics?: string[] | null}} SnapshotMessage
 * @typedef {SnapshotMessage
 *   | {type: "layout", id: string, series: Series[]}
 *   | {type: "frames", skipped?: boolean, frames: Frame[]}
 *   | ({type: "machine"} & MachineEntry)
 *   | {type: "state", machine: string, state: MachineState}
 *   | {type: "event", event: FleetEvent}
 *   | {type: "live", live: boolean, reason?: string}
 *   | {type: "forgotten", machines: string[]}
 *   | {type: "beat", time: number}
 *   | {type: "rules", since: number}
 *   | {type: "alerting", unevaluated: string}
 *   | {type: "error", detail: string}} Message
 */
export {};
