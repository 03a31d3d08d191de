// SPDX-License-Identifier: Apache-2.0
import FleetHosts
import Foundation

/// Brings up the workers of one box: looks, copies the program if it must, starts what does not run, waits until it is seen.
struct FleetUp: Sendable {
    let coordinator: FleetCoordinator
    let bundle: FleetBundle
    let connections: SSHConnections
    /// What the coordinator says that it listens on, and what the user says that workers shall use.
    let endpoint: String
    let address: String?
    let threads: Int?
    let wait: Double
    let grace: Int
    let restarts: Bool
    let rejoins: Bool

    /// - Returns: what to print about the box.
    func bringUp(_ entry: HostEntry) throws -> String {
        let box = RemoteBox(entry: entry, connections: connections)
        defer { connections.close(entry) }
        var report = try BoxReport.parse(
            box.run(RemoteScript.probe(name: entry.name, digest: bundle.digest), limit: Self.answerLimit))
        if let objection = bundle.description.objection(of: report, packedBytes: bundle.bytes) { throw HostsError(objection) }
        var notes: [String] = []

        // First the program, so that a worker that is replaced stands still for a moment only.
        if !report.hasProgram {
            try install(on: box)
            notes.append("program copied")
        }
        let older = report.workers.filter { $0.process != nil && $0.program != bundle.digest }.map(\.name)
        if !older.isEmpty {
            if restarts {
                _ = try box.run(RemoteScript.stop(older, grace: grace, purge: false), limit: Double(grace) + Self.answerLimit)
                report.workers = report.workers.map { older.contains($0.name) ? $0.stopped : $0 }
                notes.append("\(older.joined(separator: ", ")) stopped for the new program")
            } else {
                notes.append("\(older.joined(separator: ", ")) on another program (--restart replaces it)")
            }
        }
        let pids = try start(on: box, report: report)
        try waitUntilSeen(pids.all, on: box)
        var parts: [String] = []
        if !pids.started.isEmpty { parts.append(pids.started.joined(separator: ", ") + " started") }
        if !pids.running.isEmpty { parts.append(pids.running.joined(separator: ", ") + " running already") }
        return (parts + notes).joined(separator: "; ")
    }

    private static let answerLimit = 60.0

    private func install(on box: RemoteBox) throws {
        let file = open(bundle.path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw HostsError("\(bundle.path): cannot be read") }
        defer { close(file) }
        // A slow line may take its time; a dead one is noticed by ssh.
        _ = try box.run(RemoteScript.install(digest: bundle.digest), input: [.file(file)])
    }

    private struct Processes {
        var all: [(name: String, process: Int)] = []
        var started: [String] = [], running: [String] = []
    }

    private func start(on box: RemoteBox, report: BoxReport) throws -> Processes {
        let plan = WorkerPlan(box.entry, on: report, threads: threads), names = plan.names
        let known = Dictionary(report.workers.map { ($0.name, $0) }) { first, _ in first }
        let absent = names.indices.filter { known[names[$0]]?.process == nil }
        var processes = Processes()
        for name in names {
            guard let process = known[name]?.process else { continue }
            processes.all.append((name, process))
            processes.running.append(name)
        }
        if absent.isEmpty { return processes }
        let address = try self.address ?? CoordinatorAddress.seen(from: report, listening: endpoint)
        let starts = absent.map { index in
            WorkerStart(
                name: names[index], threads: plan.threads, node: plan.node(index),
                takesToken: rejoins || known[names[index]]?.coordinator != address)
        }
        let newcomers = starts.filter(\.takesToken).count
        let tokens = newcomers > 0 ? try coordinator.joinTokens(newcomers, address: address) : []
        let output = try box.run(
            RemoteScript.start(starts, digest: bundle.digest, coordinator: address),
            input: [.bytes(Array(tokens.map { $0 + "\n" }.joined().utf8))], limit: Self.answerLimit)
        for report in StartReport.parse(output) {
            switch report {
            case .runs(let name, let process):
                processes.all.append((name, process))
                processes.running.append(name)
            case .started(let name, let process):
                processes.all.append((name, process))
                processes.started.append(name)
            case .ended(let name, let words): throw HostsError(Self.ended(name, words))
            }
        }
        if let silent = names.first(where: { name in !processes.all.contains { $0.name == name } }) {
            throw HostsError("\(silent) was not started")
        }
        return processes
    }

    /// Waits for the coordinator to hear of every process; one that ends meanwhile ends the wait.
    private func waitUntilSeen(_ workers: [(name: String, process: Int)], on box: RemoteBox) throws {
        let deadline = DispatchTime.now() + wait
        var nextLook = DispatchTime.now() + 2
        while true {
            let sighting = try coordinator.sighting()
            let unseen = workers.filter { !sighting.hasSeen($0.name, process: $0.process) }.map(\.name)
            if unseen.isEmpty { return }
            if StopSignal.isReceived { throw HostsError("interrupted; \(unseen.joined(separator: ", ")) may go on") }
            let isLate = DispatchTime.now() > deadline
            if isLate || DispatchTime.now() > nextLook {
                for report in StartReport.parse(try box.run(RemoteScript.look(at: unseen), limit: Self.answerLimit)) {
                    if case .ended(let name, let words) = report { throw HostsError(Self.ended(name, words)) }
                }
                nextLook = DispatchTime.now() + 5
            }
            if isLate {
                throw HostsError(
                    "\(unseen.joined(separator: ", ")) runs, and the coordinator has not heard of it in \(Int(wait)) seconds; can the box "
                        + "reach the coordinator's two ports?")
            }
            usleep(300_000)
        }
    }

    private static func ended(_ name: String, _ words: String) -> String {
        "\(name) ended" + (words.isEmpty ? " without a word" : ": \(words)")
    }
}
