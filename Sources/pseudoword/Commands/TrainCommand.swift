// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Fleet
import Foundation
import Logging
import Studies
import TextualInversion
import ZeroMQ

struct TrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train", abstract: "Trains a study on this machine: a coordinator and worker processes, until it ends.",
        discussion: "Ctrl-C stops cleanly and loses nothing that was checkpointed; the same command goes on from there.")

    @Argument(help: "The study file.") var study: String
    @Option(help: "Worker processes.") var workers = 1
    @Option(help: "Threads of each worker (default: the cores shared among the workers that can be busy at once).") var threads: Int?
    @Option(help: "The coordinator's folder (default: NAME.pseudoword beside the study file).") var home: String?
    @Option(help: "Where the coordinator listens, a loopback address.") var listen = "tcp://127.0.0.1:0"
    @OptionGroup var patience: PatienceOption
    @Flag(name: .shortAndLong, help: "Print no progress.") var quiet = false

    func validate() throws {
        guard (1...64).contains(workers) else { throw ValidationError("--workers takes a number from 1 to 64") }
        if let threads, !(1...256).contains(threads) { throw ValidationError("--threads takes a number from 1 to 256") }
    }

    func run() throws {
        StopSignal.install()
        let file = try StudyFile(path: study)
        let pictures = try file.check()
        let folder =
            home.map { URL(fileURLWithPath: ($0 as NSString).expandingTildeInPath) }
            ?? URL(fileURLWithPath: file.folder).appendingPathComponent(file.study.name + ".pseudoword")
        let service = try CoordinatorService(
            CoordinatorOptions(
                home: folder, endpoint: CoordinatorOption.parse(listen), settings: patience.settings, program: Program.name,
                // What a user has to know is in the progress and in the last line.
                logger: Program.logger("coordinator", level: .error)))
        let endpoint = try service.start()
        defer { service.stop() }
        _ = try FleetClient(endpoint, program: Program.name).submit(yaml: file.text, baseFolder: file.folder, source: study)
        if !quiet {
            announce(
                "learning <\(file.study.pseudoword.name)> from \(pictures) pictures: \(file.study.training.steps) steps of batch \(file.study.training.batch)"
            )
            announce("home \(folder.path), coordinator \(endpoint), \(workers) workers")
        }
        let progress = ProgressDisplay(isQuiet: quiet)
        let crew = WorkerCrew(
            count: workers, threads: threadsEach, endpoint: endpoint.description, logs: folder.appendingPathComponent("logs"))
        try crew.start()
        defer { crew.stop() }
        let name = file.study.name
        let finished = StopSignal.wait(every: 0.2) {
            let status = service.status()
            if let study = status.study(name) { progress.show(study, problems: status.problems) }
            crew.replaceTheDead()
            return status.study(name)?.state.isTerminal ?? false || crew.failure != nil
        }
        progress.finish()
        guard finished else {
            Main.complain("stopped; the same command goes on from the last checkpoint")
            throw ExitCode(ExitStatus.interrupted.rawValue)
        }
        try conclude(service.status(), name: name, folder: folder, crew: crew)
    }

    /// Only one trial trains at a time in a study without a search, so each worker may use all cores: idle workers compute nothing.
    private var threadsEach: Int { threads ?? max(1, ProcessInfo.processInfo.activeProcessorCount) }

    private func conclude(_ status: FleetStatus, name: String, folder: URL, crew: WorkerCrew) throws {
        guard let study = status.study(name), study.state.isTerminal else {
            throw CommandLineError(crew.failure ?? "the study has not ended")
        }
        guard study.state == .complete else {
            let reason = study.trials.map(\.failure).first { !$0.isEmpty } ?? study.state.rawValue
            throw CommandLineError(
                "study \(name): \(reason); a study that has ended stays so: to begin anew, remove \(folder.path) or give the study another name"
            )
        }
        guard !quiet, let trial = study.best ?? study.trials.first else { return }
        print(
            "done: \(trial.step) steps"
                + (trial.bestLoss.map { ", lowest evaluation loss \(formatted($0, digits: 5)) after step \(trial.bestStep ?? 0)" } ?? ""))
        if !trial.checkpointPath.isEmpty { print("checkpoint \(trial.checkpointPath)") }
        print("export it with: pseudoword export \(folder.path) -o FOLDER")
    }
}
