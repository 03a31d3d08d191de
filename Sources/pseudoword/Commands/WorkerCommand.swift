// SPDX-License-Identifier: Apache-2.0
import Access
import ArgumentParser
import Fleet
import FleetHosts
import Foundation
import Logging
import Synchronization
import Tensors
import TextualInversion
import ZeroMQ

struct WorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker", abstract: "Runs a worker: computes what a coordinator hands out.",
        discussion: """
            It waits for a coordinator that is not there yet, and can be killed at any moment: another goes on with its work. The first \
            Ctrl-C or SIGTERM lets it finish what it has for the grace period; a second one ends it at once.
            """)

    @OptionGroup var connection: CoordinatorOption
    @OptionGroup var joining: JoinOption
    @OptionGroup var cache: CacheOption
    @Option(help: "What people call it (default: HOST/PID).") var name: String?
    @Option(help: "Seconds to finish its work after SIGTERM.") var grace = 20.0
    @OptionGroup var compute: ComputeOptions
    @Option(help: "Stay on the processors of this NUMA node, and so with memory next to them (lscpu shows the nodes).") var node: Int?
    @Option(help: .hidden) var parent: Int32?
    @Flag(name: .shortAndLong, help: "Say more.") var verbose = false

    func validate() throws {
        guard (0...86400).contains(grace) else { throw ValidationError("--grace takes a number of seconds from 0 to 86400") }
    }

    func run() throws {
        StopSignal.install()
        try cache.prepare()
        if let node { try stay(on: node) }
        compute.apply()
        let host = ProcessInfo.processInfo.hostName
        let place = try self.place(host: host)
        let trainer = InversionTrainer(cpu: Program.computeDescription) { try ModelLocation.folder($0) }
        var options = WorkerOptions(
            coordinator: place.endpoints[0], name: name ?? "\(host)/\(getpid())", threads: Compute.threads, cpu: Program.computeDescription,
            program: Program.name, host: host, cache: cache.folder, logger: Program.logger("worker", level: verbose ? .debug : .info))
        options.alternatives = Array(place.endpoints.dropFirst())
        options.cacheLimitBytes = cache.limitBytes
        options.security = place.security
        options.numericsClass = NumericsClass.digest()
        if case .client(let server, _) = place.security {
            // Results of one coordinator are never shown to another.
            options.outbox = cache.folder.appendingPathComponent("outbox").appendingPathComponent(Hexadecimal.text(of: server.bytes))
        }
        let service = WorkerService(options, trainer: trainer)
        try service.start()
        let outcome = EndOfWorker(service)
        // A worker that `train` started must not outlive it.
        let isOrphan = { parent.map { getppid() != $0 } ?? false }
        if StopSignal.wait(until: { outcome.value != nil || isOrphan() }) {
            switch outcome.value {
            case .denied(let reason): throw CommandLineError(.refused, reason)
            case .failed(let reason): throw CommandLineError(.failed, reason)
            case .stopped, nil: break
            }
        }
        if outcome.value == nil, !isOrphan() {
            service.drain()
            let deadline = Date().addingTimeInterval(grace)
            while outcome.value == nil, Date() < deadline, !isOrphan() { usleep(50_000) }
        }
        service.stop()
    }

    private func stay(on number: Int) throws {
        let nodes = ProcessorNode.available
        guard let node = nodes.first(where: { $0.number == number }) else {
            let there = nodes.map { String($0.number) }.joined(separator: ", ")
            throw CommandLineError(
                .usage, "--node \(number): the nodes that this process may use are \(there.isEmpty ? "unknown; leave --node away" : there)")
        }
        guard Compute.stay(on: node.processors) else {
            throw CommandLineError(.failed, "--node \(number): the kernel does not let this process stay on its processors")
        }
    }

    private func place(host: String) throws -> (endpoints: [Endpoint], security: SocketSecurity) {
        guard let joining = try joining.perform(name: name ?? host) else { return try connection.place() }
        guard !joining.credentials.endpoints.isEmpty else { throw CommandLineError(.usage, "the token names no coordinator") }
        announce(joining.isNew ? joining.line + "; from now on no token is needed" : joining.line)
        return (joining.credentials.endpoints, joining.credentials.security)
    }
}

/// Remembers why a worker ended.
private final class EndOfWorker: Sendable {
    private let end = Mutex<WorkerEnd?>(nil)

    init(_ service: WorkerService) {
        Task(priority: .medium) { [self] in
            let reason = await service.waitUntilStopped()
            end.withLock { $0 = reason }
        }
    }

    var value: WorkerEnd? { end.withLock { $0 } }
}
