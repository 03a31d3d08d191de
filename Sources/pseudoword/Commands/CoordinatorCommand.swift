// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Coordination
import Fleet
import Foundation
import Logging

struct CoordinatorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "coordinator", abstract: "Runs a coordinator: keeps studies, hands work to workers, writes checkpoints.",
        discussion: "Stopped or killed, it goes on where it was when it is started again on the same home.")

    @OptionGroup var home: HomeOption
    @Option(help: "Where to listen; this version takes loopback addresses only.") var listen = CoordinatorOption.defaultAddress
    @OptionGroup var patience: PatienceOption
    @Flag(name: .shortAndLong, help: "Say more.") var verbose = false

    func run() throws {
        StopSignal.install()
        let service = try CoordinatorService(
            CoordinatorOptions(
                home: home.folder, endpoint: CoordinatorOption.parse(listen), settings: patience.settings, program: Program.name,
                logger: Program.logger("coordinator", level: verbose ? .debug : .info)))
        let endpoint = try service.start()
        announce("listening on \(endpoint), home \(home.folder.path)")
        announce("start a worker with: pseudoword worker --coordinator \(endpoint)")
        let ended = ThreadedWait { await service.waitUntilStopped() }
        if StopSignal.wait(until: { ended.isDone }) {
            throw CommandLineError("the coordinator ended by itself; its log says why")
        }
        service.stop()
    }
}

/// How long a coordinator waits for silent workers.
struct PatienceOption: ParsableArguments {
    @Option(help: "Seconds between a worker's heartbeats, 0.05 to 60; after eight without one its work goes to another.")
    var heartbeat = 2.0

    func validate() throws {
        guard (0.05...60).contains(heartbeat) else { throw ValidationError("--heartbeat takes a number of seconds from 0.05 to 60") }
    }

    var settings: CoordinationSettings { CoordinationSettings(heartbeat: .milliseconds(Int64((heartbeat * 1000).rounded()))) }
}

/// Waits for something asynchronous beside a loop that looks at signals.
final class ThreadedWait: Sendable {
    private let flag = DispatchSemaphore(value: 0)

    init(_ work: @escaping @Sendable () async -> Void) {
        let flag = flag
        Task {
            await work()
            flag.signal()
        }
    }

    /// Whether the work has ended; once true it stays so only for this one look.
    var isDone: Bool { flag.wait(timeout: .now()) == .success }
}
