// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Fleet
import Foundation
import Logging
import Synchronization
import Tensors

struct WorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker", abstract: "Runs a worker: trains what a coordinator hands out.",
        discussion: "It waits for a coordinator that is not there yet, and can be killed at any moment: another goes on with its work.")

    @OptionGroup var connection: CoordinatorOption
    @Option(help: "What people call it (default: HOST/PID).") var name: String?
    @OptionGroup var compute: ComputeOptions
    @Option(help: .hidden) var parent: Int32?
    @Flag(name: .shortAndLong, help: "Say more.") var verbose = false

    func run() throws {
        StopSignal.install()
        compute.apply()
        let host = ProcessInfo.processInfo.hostName
        let trainer = InversionTrainer(cpu: Program.computeDescription) { try ModelLocation.folder($0) }
        let service = WorkerService(
            WorkerOptions(
                coordinator: try connection.endpoint(), name: name ?? "\(host)/\(getpid())", threads: Compute.threads,
                cpu: Program.computeDescription, program: Program.name, host: host,
                logger: Program.logger("worker", level: verbose ? .debug : .info)),
            trainer: trainer)
        try service.start()
        let outcome = EndOfWorker(service)
        // A worker that `train` started must not outlive it.
        let isOrphan = { parent.map { getppid() != $0 } ?? false }
        if StopSignal.wait(until: { outcome.value != nil || isOrphan() }), case .denied(let reason) = outcome.value {
            throw CommandLineError(.refused, reason)
        }
        service.stop()
    }
}

/// Remembers why a worker ended.
private final class EndOfWorker: Sendable {
    private let end = Mutex<WorkerEnd?>(nil)

    init(_ service: WorkerService) {
        Task { [self] in
            let reason = await service.waitUntilStopped()
            end.withLock { $0 = reason }
        }
    }

    var value: WorkerEnd? { end.withLock { $0 } }
}
