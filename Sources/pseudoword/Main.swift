// SPDX-License-Identifier: Apache-2.0
import Access
import ArgumentParser
import Blobs
import Checkpoints
import Fleet
import Foundation
import ModelFiles
import Pictures
import StableDiffusion
import Studies
import TextualInversion

@main
struct Main {
    static func main() {
        // A reader that goes away (head, less) ends the program quietly.
        signal(SIGPIPE, SIG_DFL)
        // A file that grows past the limit is an error like a full disk, with a message and nothing left half written.
        signal(SIGXFSZ, SIG_IGN)
        // A mapped file that another program cuts short leaves nothing to go on with.
        signal(SIGBUS) { _ in
            let line: StaticString =
                "pseudoword: a file was cut short while it was in use (a model that was overwritten?), or the disk failed\n"
            _ = write(2, line.utf8Start, line.utf8CodeUnitCount)
            _exit(1)
        }
        do {
            var command = try Pseudoword.parseAsRoot()
            try command.run()
        } catch {
            exit(report(error).rawValue)
        }
    }

    /// Prints what there is to say about the error that ended the command.
    private static func report(_ error: any Error) -> ExitStatus {
        if let status = status(of: error) {
            complain("\(error)")
            return status
        }
        let code = Pseudoword.exitCode(for: error)
        if code == .success {
            print(Pseudoword.fullMessage(for: error))
            return .done
        }
        if code == .validationFailure {
            FileHandle.standardError.write(Data((Pseudoword.fullMessage(for: error) + "\n").utf8))
            return .usage
        }
        if let status = (error as? ExitCode).flatMap({ ExitStatus(rawValue: $0.rawValue) }) { return status }
        complain(Pseudoword.message(for: error))
        return .failed
    }

    /// The exit status of our own errors; nil for those of the argument parser.
    private static func status(of error: any Error) -> ExitStatus? {
        switch error {
        case let error as CommandLineError: error.status
        case let error as AccessError: error.code == .notFound ? .notFound : .failed
        case let error as BlobError:
            switch error.code {
            case .cancelled: .interrupted
            case .notFound: .notFound
            default: .failed
            }
        case let error as CheckpointError: error.code == .notFound ? .notFound : .failed
        case let error as FleetError:
            switch error.code {
            case .unreachable: .unreachable
            case .refused: .refused
            case .notFound: .notFound
            case .invalid: .usage
            default: .failed
            }
        case let error as StudyError: error.code == .notFound ? .notFound : .usage
        case let error as InversionError: [.prompt, .machine].contains(error.code) ? .usage : .failed
        case let error as ModelError: error.code == .notFound ? .notFound : .failed
        case let error as ModelFileError: error.code == .notFound ? .notFound : .failed
        case let error as PictureError: error.code == .notFound ? .notFound : .failed
        default: nil
        }
    }

    static func complain(_ line: String) { FileHandle.standardError.write(Data(("pseudoword: " + line + "\n").utf8)) }
}

struct Pseudoword: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pseudoword",
        abstract: "Teaches Stable Diffusion a new word from a few pictures, on the Linux boxes you already own.",
        discussion: """
            Exit codes: 0 done, 1 failed, 2 wrong usage or study file, 3 no coordinator, 4 refused, 5 not found, 6 degraded or some trials \
            failed, 124 waited too long, 130 interrupted.
            """,
        version: Program.version,
        subcommands: [],
        groupedSubcommands: [
            CommandGroup(
                name: "Learn",
                subcommands: [
                    TrainCommand.self, SubmitCommand.self, StatusCommand.self, ExplainCommand.self, LogsCommand.self, CancelCommand.self,
                    PauseCommand.self, ResumeCommand.self, PriorityCommand.self,
                ]),
            CommandGroup(
                name: "Fleet",
                subcommands: [
                    CoordinatorCommand.self, WorkerCommand.self, JoinCommand.self, FleetCommand.self, DrainCommand.self, KeysCommand.self,
                ]),
            CommandGroup(
                name: "Use", subcommands: [ExportCommand.self, GenerateCommand.self, EvaluateCommand.self, EmbeddingCommand.self]),
            CommandGroup(name: "Check", subcommands: [ModelCommand.self, BenchCommand.self, SelftestCommand.self, SimulateCommand.self]),
        ])
}
