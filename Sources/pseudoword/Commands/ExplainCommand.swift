// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Fleet
import Foundation

struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Says why a trial or a worker is where it is.", subcommands: [Trial.self, Worker.self])

    struct Trial: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "trial", abstract: "Why a trial waits, runs or has ended.")

        @Argument(help: "The study's name.") var study: String
        @Argument(help: "The trial's number.") var trial = 0
        @OptionGroup var connection: CoordinatorOption

        func validate() throws {
            guard trial >= 0 else { throw ValidationError("TRIAL is a number from 0 up") }
        }

        func run() throws {
            for line in try connection.client().explain(study, trial: trial) { print(line) }
        }
    }

    struct Worker: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "worker", abstract: "What a worker does, or why it does nothing.")

        @Argument(help: "The worker's name or id.") var worker: String
        @OptionGroup var connection: CoordinatorOption

        func run() throws {
            for line in try connection.client().explain(worker) { print(line) }
        }
    }
}

struct LogsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs", abstract: "Shows what happened in the fleet: who joined, what was granted, accepted, given back, refused.",
        discussion: "With --home it reads the ledger and works also when no coordinator runs.")

    @Argument(help: "A study's or a worker's name (default: everything).") var target: String?
    @Option(name: [.customShort("n"), .long], help: "How many entries, the newest last.") var lines = 50
    @Flag(name: .shortAndLong, help: "Go on as things happen, until Ctrl-C.") var follow = false
    @OptionGroup var connection: CoordinatorOption

    func validate() throws {
        guard (1...5000).contains(lines) else { throw ValidationError("--lines takes a number from 1 to 5000") }
    }

    func run() throws {
        StopSignal.install()
        var last: Int64 = 0
        var limit = lines
        repeat {
            let entries = try read(after: last, limit: limit)
            for entry in entries { print(Self.line(entry)) }
            fflush(nil)
            last = entries.last?.number ?? last
            limit = 5000
            guard follow else { return }
            var waited = 0.0
            _ = StopSignal.wait {
                waited += 0.1
                return waited > 1
            }
        } while !StopSignal.isReceived
    }

    private func read(after number: Int64, limit: Int) throws -> [LogEntry] {
        if connection.coordinator == nil, connection.home.home != nil, !Home.isInUse(connection.home.folder) {
            return try OfflineHome(connection.home.folder).events(after: number, target: target ?? "", limit: limit)
        }
        return try connection.client().log(target: target ?? "", after: number, limit: limit)
    }

    private static func line(_ entry: LogEntry) -> String {
        let time = entry.time.formatted(.iso8601)
        let place = entry.study.isEmpty ? "" : "  " + entry.study + (entry.trial.map { " #\($0)" } ?? "")
        let worker = entry.worker.isEmpty ? "" : "  " + entry.worker
        return "\(time)  \(entry.kind)\(place)\(worker)" + (entry.text.isEmpty ? "" : "  \(entry.text)")
    }
}
