// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Fleet
import Foundation

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Asks the coordinator for studies, trials and workers.",
        discussion: "Exits with 3 when no coordinator answers, 5 when there is no such study, 6 (with --check) when something is wrong.")

    @Argument(help: "A study's name (default: all).") var study: String?
    @OptionGroup var connection: CoordinatorOption
    @Option(help: "table, wide or json.") var output = StatusFormat.table
    @Flag(help: "Show it again every two seconds, until Ctrl-C or until the study has ended.") var watch = false
    @Flag(help: "List every trial, also of studies with many.") var all = false
    @Flag(help: "Exit with 6 when a worker is lost or stalled or a trial has failed.") var check = false

    enum StatusFormat: String, ExpressibleByArgument, CaseIterable { case table, wide, json }

    func run() throws {
        StopSignal.install()
        if !watch, let offline = try offlineStatus() {
            try show(offline)
            if check { throw ExitCode(ExitStatus.degraded.rawValue) }
            return
        }
        let client = try connection.client()
        let redraws = watch && output != .json && isatty(STDOUT_FILENO) == 1
        while true {
            let status = try client.status(study: study, allTrials: all)
            if redraws { print("\u{1B}[H\u{1B}[2J", terminator: "") }
            try show(status)
            let ended = study.flatMap { status.study($0) }?.state.isTerminal ?? false
            guard watch, !ended else {
                if check && Self.isDegraded(status) { throw ExitCode(ExitStatus.degraded.rawValue) }
                return
            }
            var waited = 0.0
            _ = StopSignal.wait {
                waited += 0.1
                return waited > 2
            }
            if StopSignal.isReceived { return }
        }
    }

    private func show(_ status: FleetStatus) throws {
        switch output {
        case .json: try FleetStatusJSON(status).printAsJSON()
        case .table, .wide:
            print(StatusTable(status, isWide: output == .wide, isOneStudy: study != nil).lines.joined(separator: "\n"))
        }
        fflush(nil)
    }

    /// What the ledger says when nobody runs in the home that was named; nil otherwise.
    private func offlineStatus() throws -> FleetStatus? {
        guard connection.home.home != nil, connection.coordinator == nil, !Home.isInUse(connection.home.folder) else { return nil }
        let home = try OfflineHome(connection.home.folder)
        var status = try home.status()
        if let study {
            guard let found = status.study(study) else { throw CommandLineError(.notFound, "there is no study \(study) in that home") }
            status.studies = [found]
        }
        let since = home.lastWritten().map { " since \($0.formatted(.iso8601))" } ?? ""
        status.problems = ["no coordinator runs in \(connection.home.folder.path)\(since); this is what its ledger says"]
        return status
    }

    private static func isDegraded(_ status: FleetStatus) -> Bool {
        status.workers.contains { [.lost, .stalled, .suspect].contains($0.state) }
            || status.studies.contains { $0.counts.failed > 0 } || !status.problems.isEmpty
    }
}
