// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Fleet
import Foundation
import Logging

struct CoordinatorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "coordinator", abstract: "Runs a coordinator: keeps studies, hands work to workers, writes checkpoints.",
        discussion: "Stopped or killed, it goes on where it was when it is started again on the same home.")

    @OptionGroup var home: HomeOption
    @Option(help: "Where to listen; this version takes loopback addresses only.") var listen = CoordinatorOption.defaultAddress
    @Flag(name: .shortAndLong, help: "Say more.") var verbose = false

    func run() throws {
        StopSignal.install()
        let service = try CoordinatorService(
            CoordinatorOptions(
                home: home.folder, endpoint: CoordinatorOption.parse(listen), program: Program.name,
                logger: Program.logger("coordinator", level: verbose ? .debug : .info)))
        let endpoint = try service.start()
        print("listening on \(endpoint), home \(home.folder.path)")
        print("start a worker with: pseudoword worker --coordinator \(endpoint)")
        let ended = ThreadedWait { await service.waitUntilStopped() }
        if StopSignal.wait(until: { ended.isDone }) {
            throw CommandLineError("the coordinator ended by itself; its log says why")
        }
        service.stop()
    }
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
