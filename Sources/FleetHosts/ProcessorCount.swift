// SPDX-License-Identifier: Apache-2.0
private import Foundation

/// How many processors this process may keep busy.
package enum ProcessorCount {
    /// The processors that it may run on, or fewer where a control group (a container, a systemd unit) grants less time.
    package static var available: Int {
        let processors = ProcessInfo.processInfo.activeProcessorCount
        let groups = (try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8)) ?? ""
        let limit = limit(groups: groups) { try? String(contentsOfFile: "/sys/fs/cgroup" + $0, encoding: .utf8) }
        // A fraction of a processor is no thread's worth: it would be stopped in the middle of every step.
        return limit.map { max(1, min(processors, Int($0))) } ?? processors
    }

    /// The least share of time that the group or one above it grants, in processors; nil for no limit.
    ///
    /// - Parameters:
    ///   - groups: the text of `/proc/self/cgroup`, versions 1 and 2 (cgroups(7)).
    ///   - read: a file below `/sys/fs/cgroup`.
    package static func limit(groups: String, read: (String) -> String?) -> Double? {
        var limits: [Double] = []
        for line in groups.split(separator: "\n") {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
            guard fields.count == 3 else { continue }
            let isUnified = fields[1].isEmpty
            guard isUnified || fields[1].split(separator: ",").contains("cpu") else { continue }
            // In a container the group's own path may not be there: what is at the root is the container's.
            for path in parents(of: fields[2]) {
                let limit = isUnified ? unified(read(path + "/cpu.max")) : old { read("/cpu" + path + "/cpu.cfs_\($0)_us") }
                if let limit { limits.append(limit) }
            }
        }
        return limits.min()
    }

    /// `/a/b` -> `/a/b`, `/a` and the root.
    private static func parents(of path: String) -> [String] {
        let parts = path.split(separator: "/")
        return (0...parts.count).reversed().map { $0 == 0 ? "" : "/" + parts.prefix($0).joined(separator: "/") }
    }

    /// `QUOTA PERIOD` in microseconds, or `max PERIOD`.
    private static func unified(_ text: String?) -> Double? {
        let numbers = text?.split(whereSeparator: \.isWhitespace).map { Double($0) } ?? []
        guard numbers.count == 2, let quota = numbers[0], let period = numbers[1], quota > 0, period > 0 else { return nil }
        return quota / period
    }

    private static func old(_ read: (String) -> String?) -> Double? {
        func number(_ name: String) -> Double? { read(name).flatMap { Double($0.trimmingCharacters(in: .whitespacesAndNewlines)) } }
        guard let quota = number("quota"), let period = number("period"), quota > 0, period > 0 else { return nil }
        return quota / period
    }
}
