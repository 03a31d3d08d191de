// SPDX-License-Identifier: Apache-2.0
import Access
import ArgumentParser
import Coordination
import Fleet
import Foundation
import Logging
import ZeroMQ

struct CoordinatorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "coordinator", abstract: "Runs a coordinator: keeps studies, hands work to workers, writes checkpoints.",
        discussion: """
            Stopped or killed, it goes on where it was when it is started again on the same home. At each start it prints a one-time token \
            with which another box joins: pseudoword worker --join TOKEN
            """)

    @OptionGroup var home: HomeOption
    @Option(help: "Where to listen, such as tcp://0.0.0.0:7400; blobs are served at the port behind it.") var listen = CoordinatorOption
        .defaultAddress
    @Option(help: "Where others find it, if that is not where it listens; may be given more than once.") var advertise: [String] = []
    @Flag(help: "Speak without keys; on loopback only.") var insecure = false
    @OptionGroup var patience: PatienceOption
    @Flag(name: .shortAndLong, help: "Say more.") var verbose = false

    func run() throws {
        StopSignal.install()
        let endpoint = try CoordinatorOption.parse(listen)
        var options = CoordinatorOptions(
            home: home.folder, endpoint: endpoint, settings: patience.settings, program: Program.name,
            logger: Program.logger("coordinator", level: verbose ? .debug : .info), locateModel: { try ModelLocation.folder($0) })
        options.advertised = try advertise.map(CoordinatorOption.parse)
        options.usesKeys = !insecure
        options.credentialStore = CredentialStore()
        let service = try CoordinatorService(options)
        let actual = try service.start()
        defer { service.stop() }
        announce("listening on \(actual), home \(home.folder.path)")
        if insecure {
            announce("without keys; start a worker with: pseudoword worker --insecure --coordinator \(actual)")
        } else {
            announce("workers of this user on this machine: pseudoword worker --coordinator \(actual.forConnecting)")
            let token = try service.joinToken()
            announce("another box joins once with: pseudoword worker --join \(token)")
            if endpoint.host == "*" || endpoint.host == "0.0.0.0" || endpoint.host == "::", advertise.isEmpty {
                let places = try JoinToken(text: token).endpoints.map(\.description).joined(separator: ", ")
                announce("the token names \(places); if other boxes find this one elsewhere, say so with --advertise tcp://HOST:PORT")
            }
        }
        let ended = ThreadedWait { await service.waitUntilStopped() }
        if StopSignal.wait(until: { ended.isDone }) {
            throw CommandLineError("the coordinator ended by itself; its log says why")
        }
    }
}

/// How long a coordinator waits for silent workers.
struct PatienceOption: ParsableArguments {
    @Option(help: "Seconds between a worker's heartbeats, 0.05 to 60; after eight without one its work goes to another.")
    var heartbeat = 2.0

    @Option(help: "Crashes of workers on one piece of work, without progress in between, that fail it.") var crashLimit = 5

    func validate() throws {
        guard (1...1_000_000).contains(crashLimit) else { throw ValidationError("--crash-limit takes a number from 1 up") }
        guard (0.05...60).contains(heartbeat) else { throw ValidationError("--heartbeat takes a number of seconds from 0.05 to 60") }
    }

    var settings: CoordinationSettings {
        var settings = CoordinationSettings(heartbeat: .milliseconds(Int64((heartbeat * 1000).rounded())))
        settings.crashLimit = crashLimit
        return settings
    }
}

/// Waits for something asynchronous beside a loop that looks at signals.
final class ThreadedWait: Sendable {
    private let flag = DispatchSemaphore(value: 0)

    init(_ work: @escaping @Sendable () async -> Void) {
        let flag = flag
        Task(priority: .medium) {
            await work()
            flag.signal()
        }
    }

    /// Whether the work has ended; once true it stays so only for this one look.
    var isDone: Bool { flag.wait(timeout: .now()) == .success }
}
