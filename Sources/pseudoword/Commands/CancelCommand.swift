// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Fleet

/// A study, or one trial of it.
struct TargetOption: ParsableArguments {
    @Argument(help: "The study's name.") var study: String
    @Option(help: "One trial of it, by its number.") var trial: Int?
    @OptionGroup var connection: CoordinatorOption

    func validate() throws {
        if let trial, trial < 0 { throw ValidationError("--trial takes a number from 0 up") }
    }

    /// Gives the command and says what came of it.
    func give(_ kind: FleetCommandKind, done: String, before: String, priority: Int = 0) throws {
        let outcome = try connection.client().command(kind, study, trial: trial, priority: priority)
        let what = trial.map { "trial \($0) of study \(outcome.name)" } ?? "study \(outcome.name)"
        print(outcome.wasSo ? "\(what) \(before)" : "\(done) \(what)" + (trial == nil ? ", \(outcome.count) unfinished trials" : ""))
    }
}

struct CancelCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "Ends a study, or one trial of it; what was learned so far stays.")

    @OptionGroup var target: TargetOption

    func run() throws { try target.give(.cancel, done: "cancelled", before: "had ended already") }
}

struct PauseCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause", abstract: "Stops a study, or one trial of it, until it is resumed; its workers turn to others.")

    @OptionGroup var target: TargetOption

    func run() throws { try target.give(.pause, done: "paused", before: "was paused or had ended already") }
}

struct ResumeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Lets a paused study or trial go on from where it stopped.")

    @OptionGroup var target: TargetOption

    func run() throws { try target.give(.resume, done: "resumed", before: "was not paused") }
}

struct PriorityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "priority", abstract: "Says how urgent a study is: those with larger numbers are served first.")

    @OptionGroup var target: TargetOption
    @Option(name: .customLong("to"), help: "The new priority, such as 10 or -5; studies start with 0.") var priority: Int

    func validate() throws {
        guard (-1_000_000...1_000_000).contains(priority) else { throw ValidationError("--to takes a number from -1000000 to 1000000") }
    }

    func run() throws {
        try target.give(.prioritize, done: "now at priority \(priority):", before: "had that priority already", priority: priority)
    }
}

struct DrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain", abstract: "Asks a worker to finish what it has and leave.")

    @Argument(help: "The worker's name or id.") var worker: String
    @OptionGroup var connection: CoordinatorOption

    func run() throws {
        let outcome = try connection.client().command(.drain, worker)
        print(
            outcome.wasSo
                ? "worker \(outcome.name) was draining already"
                : "worker \(outcome.name) finishes \(outcome.count) pieces of work and leaves")
    }
}
