// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Fleet
import FleetHosts
import Foundation
import Logging
import Studies
import Synchronization
import TextualInversion
import ZeroMQ

struct TrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train", abstract: "Trains a study on this machine: a coordinator and worker processes, until it ends.",
        discussion: "Ctrl-C stops cleanly and loses nothing that was checkpointed; the same command goes on from there.")

    @Argument(help: "The study file.") var study: String
    @Option(help: "Worker processes.") var workers = 1
    @Option(help: "Threads of each worker (default: the cores shared among the workers that can be busy at once).") var threads: Int?
    @OptionGroup var memory: MemoryOption
    @Option(help: "The coordinator's folder (default: NAME.pseudoword beside the study file).") var home: String?
    @Option(help: "Where the coordinator listens, a loopback address.") var listen = "tcp://127.0.0.1:0"
    @OptionGroup var patience: PatienceOption
    @OptionGroup var cache: CacheOption
    @Flag(name: .shortAndLong, help: "Print no progress.") var quiet = false

    func validate() throws {
        guard (1...64).contains(workers) else { throw ValidationError("--workers takes a number from 1 to 64") }
        if let threads, !(1...256).contains(threads) { throw ValidationError("--threads takes a number from 1 to 256") }
    }

    func run() throws {
        StopSignal.install()
        let file = try StudyFile(path: study)
        let pictures = try file.check()
        _ = try file.study.training.precision.ofProducts()
        let folder =
            home.map { URL(fileURLWithPath: ($0 as NSString).expandingTildeInPath) }
            ?? URL(fileURLWithPath: file.folder).appendingPathComponent(file.study.name + ".pseudoword")
        try cache.prepare()
        let service = try CoordinatorService(
            CoordinatorOptions(
                home: folder, endpoint: CoordinatorOption.parse(listen), settings: patience.settings, program: Program.name,
                // What a user has to know is in the progress and in the last line.
                logger: Program.logger("coordinator", level: .error), locateModel: { try ModelLocation.folder($0) }))
        let endpoint = try service.start()
        defer { service.stop() }
        let submission = Answer { try await service.submit(yaml: file.text, baseFolder: file.folder, source: study) }
        _ = try submission.wait()
        if !quiet {
            let trials = file.study.trialCount > 1 ? "\(file.study.trialCount) trials of " : ""
            announce(
                "learning <\(file.study.pseudoword.name)> from \(pictures) pictures: \(trials)\(file.study.training.steps) steps of batch \(file.study.training.batch)"
            )
            announce("home \(folder.path), coordinator \(endpoint), \(workers) workers")
        }
        let progress = ProgressDisplay(isQuiet: quiet)
        let crew = WorkerCrew(
            count: workers, threads: threadsEach(file.study), memory: memory.memory, endpoint: endpoint.description, home: folder,
            cache: cache.folder,
            logs: folder.appendingPathComponent("logs"))
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

    /// One worker at a time may use all cores, for idle ones compute nothing; where several are busy at once they share them.
    private func threadsEach(_ study: Study) -> Int {
        let busy = study.parallel == .data ? workers : min(workers, study.trialCount)
        return threads ?? max(1, ProcessorCount.available / busy)
    }

    private func conclude(_ status: FleetStatus, name: String, folder: URL, crew: WorkerCrew) throws {
        guard let study = status.study(name), study.state.isTerminal else {
            throw CommandLineError(crew.failure ?? "the study has not ended")
        }
        guard study.state == .complete else {
            let reason = ([study.failure] + study.trials.map(\.failure)).first { !$0.isEmpty } ?? study.state.rawValue
            throw CommandLineError(
                "study \(name): \(reason); a study that has ended stays so: to begin anew, give it another name, or another home with --home"
            )
        }
        guard !quiet, let trial = study.best ?? study.trials.first else {
            if study.counts.failed > 0 { throw ExitCode(ExitStatus.degraded.rawValue) }
            return
        }
        print(
            "done: "
                + (study.counts.all > 1 ? "\(study.counts.complete) of \(study.counts.all) trials, best is trial \(trial.index): " : "")
                + "\(trial.step) steps"
                + (trial.bestLoss.map { ", lowest evaluation loss \(formatted($0, digits: 5)) after step \(trial.bestStep ?? 0)" } ?? ""))
        if !trial.checkpointPath.isEmpty { print("checkpoint \(trial.checkpointPath)") }
        print("export it with: pseudoword export \(folder.path) -o FOLDER")
        if study.counts.failed > 0 { throw ExitCode(ExitStatus.degraded.rawValue) }
    }
}

/// Waits on a thread of its own for something asynchronous.
private final class Answer<Value: Sendable>: Sendable {
    private let done = DispatchSemaphore(value: 0)
    private let result = Mutex<Result<Value, any Error>?>(nil)

    init(_ work: @escaping @Sendable () async throws -> Value) {
        Task(priority: .medium) { [self] in
            let outcome: Result<Value, any Error>
            do { outcome = .success(try await work()) } catch { outcome = .failure(error) }
            result.withLock { $0 = outcome }
            done.signal()
        }
    }

    func wait() throws -> Value {
        done.wait()
        guard let outcome = result.withLock({ $0 }) else { throw CommandLineError("nothing came of it") }
        return try outcome.get()
    }
}
