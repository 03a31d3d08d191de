// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Fleet
import Foundation
import ModelFiles
import Pictures
import StableDiffusion
import Studies
import TextualInversion

struct SubmitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "submit", abstract: "Hands a study to a running coordinator.",
        discussion: """
            The pictures and other files go along. The model goes along if it is on this machine and the coordinator does not have it; if it \
            is not here, the study's path means a folder on the coordinator's machine.
            """)

    @Argument(help: "The study file.") var study: String
    @Flag(help: "Only check the study and say what would run.") var check = false
    @Option(help: "How urgent it is: studies with larger numbers are served first.") var priority = 0
    @OptionGroup var connection: CoordinatorOption
    @OptionGroup var cache: CacheOption

    func validate() throws {
        guard (-1_000_000...1_000_000).contains(priority) else {
            throw ValidationError("--priority takes a number from -1000000 to 1000000")
        }
    }

    func run() throws {
        StopSignal.install()
        let file = try StudyFile(path: study)
        let pictures = try file.check(needsModel: check)
        if check { return describe(file.study, pictures: pictures) }
        let isTerminal = isatty(STDERR_FILENO) == 1
        let submission = try connection.client().submit(
            yaml: file.text, baseFolder: file.folder, source: study, priority: priority,
            cache: cache.folder.appendingPathComponent("client"), locate: { try ModelLocation.folder($0) },
            tell: { text in if isTerminal { FileHandle.standardError.write(Data("\r\u{1B}[K\(text)".utf8)) } },
            isCancelled: { StopSignal.isReceived })
        if isTerminal { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
        guard submission.isAlreadyThere else { return print("submitted study \(submission.name)") }
        print(
            submission.ended.isEmpty
                ? "study \(submission.name) is there already"
                : "study \(submission.name) is there already and has ended (\(submission.ended)); to run it again, give it another name")
    }

    private func describe(_ study: Study, pictures: Int) {
        let training = study.training, size = study.data.resolution.map { "\($0.width) x \($0.height)" } ?? "the model's own size"
        let trials = study.trialCount
        print(
            "study \(study.name): \(trials == 1 ? "1 trial" : "\(trials) trials") of \(training.steps) steps, batch \(training.batch) in microbatches of \(training.microbatch)"
        )
        if study.parallel == .data {
            print("each step is shared by all workers: \((training.batch + training.microbatch - 1) / training.microbatch) slices")
        }
        if study.search != nil {
            for index in 0..<min(trials, 8) {
                print("  trial \(index): " + study.trialParameters(index).map { "\($0.key) \($0.value)" }.joined(separator: ", "))
            }
            if trials > 8 { print("  and \(trials - 8) more") }
        }
        print("learns <\(study.pseudoword.name)>, \(study.pseudoword.vectors) vectors, from \(pictures) pictures at \(size)")
        print(
            "evaluates \(study.evaluation.samples) samples every \(study.evaluation.every) steps, checkpoint every \(study.checkpointEvery)"
        )
        print(
            "samples computed in all: \(trials * training.steps * training.batch) forward and backward, \(trials * (training.steps / study.evaluation.every + 1) * study.evaluation.samples) forward only"
        )
    }
}

/// A study file as the user wrote it and what it means.
struct StudyFile {
    let text: String
    let folder: String
    let study: Study

    init(path: String) throws {
        guard FileManager.default.fileExists(atPath: path) else { throw CommandLineError(.notFound, "\(path): no such study file") }
        study = try Study.load(path: path)
        let url = URL(fileURLWithPath: path).standardizedFileURL
        folder = url.deletingLastPathComponent().path
        text = try String(contentsOf: url, encoding: .utf8)
    }

    /// Finds what a worker would stumble over later, the values of weights apart.
    ///
    /// - Parameter needsModel: whether a model that is not on this machine is a mistake; the coordinator may have it.
    /// - Returns: the number of pictures.
    func check(needsModel: Bool = true) throws -> Int {
        if !needsModel, study.model != Study.starterModel, !FileManager.default.fileExists(atPath: study.model) {
            for path in try PictureFolder.list(study.data.pictures) { _ = try Picture(path: path) }
            return try PictureFolder.list(study.data.pictures).count
        }
        let model = try ModelLocation.folder(study.model)
        let count = try StudyCheck.check(study, folder: model)
        if let size = study.data.resolution {
            let reduction = try model.autoencoderConfiguration().reduction
            guard size.width % reduction == 0, size.height % reduction == 0 else {
                throw CommandLineError(.usage, "data.resolution \(size.width) x \(size.height): this model takes multiples of \(reduction)")
            }
        }
        if case .file(let path) = study.pseudoword.initialization {
            let word = try PseudoWord(EmbeddingFile.read(path: path), path: path, name: "", width: model.textEncoderConfiguration().width)
            guard word.count == study.pseudoword.vectors else {
                throw CommandLineError(
                    .usage, "\(path): holds \(word.count) vectors, the study asks for \(study.pseudoword.vectors) (pseudoword.vectors)")
            }
        }
        for path in try PictureFolder.list(study.data.pictures) { _ = try Picture(path: path) }
        return count
    }
}
