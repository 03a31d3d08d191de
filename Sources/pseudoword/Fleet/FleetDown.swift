// SPDX-License-Identifier: Apache-2.0
import FleetHosts

/// Ends the workers of one box.
struct FleetDown: Sendable {
    let connections: SSHConnections
    let grace: Int
    let purge: Bool

    /// - Returns: what to print about the box.
    func takeDown(_ entry: HostEntry) throws -> String {
        let box = RemoteBox(entry: entry, connections: connections)
        defer { connections.close(entry) }
        // Also those that an earlier hosts file named.
        let workers = try BoxReport.parse(box.run(RemoteScript.probe(name: entry.name, digest: nil), limit: 60)).workers.map(\.name)
        if workers.isEmpty { return "nothing to end" }
        let reports = StopReport.parse(try box.run(RemoteScript.stop(workers, grace: grace, purge: purge), limit: Double(grace) + 60))
        func names(_ ending: StopReport.Ending) -> String { reports.filter { $0.ending == ending }.map(\.name).joined(separator: ", ") }
        var parts: [String] = []
        if !names(.drained).isEmpty { parts.append("\(names(.drained)) ended") }
        if !names(.killed).isEmpty { parts.append("\(names(.killed)) killed after \(grace) seconds") }
        if !names(.gone).isEmpty { parts.append("\(names(.gone)) had ended already") }
        if purge { parts.append("purged") }
        guard reports.count == workers.count else { throw HostsError("only \(reports.count) of \(workers.count) workers answered") }
        return parts.joined(separator: "; ")
    }
}
