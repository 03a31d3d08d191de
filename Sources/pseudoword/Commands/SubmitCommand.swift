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
        discussion: "Pictures and model are read by the workers from the paths in the study file, which they must be able to see.")

    @Argument(help: "The study file.") var study: String
    @Flag(help: "Only check the study and say what would run.") var check = false
    @OptionGroup var connection: CoordinatorOption

    func run() throws {
        let file = try StudyFile(path: study)
        let pictures = try file.check()
        if check { return describe(file.study, pictures: pictures) }
        let submission = try connection.client().submit(yaml: file.text, baseFolder: file.folder, source: study)
        print(submission.isAlreadyThere ? "study \(submission.name) is there already" : "submitted study \(submission.name)")
    }

    private func describe(_ study: Study, pictures: Int) {
        let training = study.training, size = study.data.resolution.map { "\($0.width) x \($0.height)" } ?? "the model's own size"
        print("study \(study.name): 1 trial of \(training.steps) steps, batch \(training.batch) in microbatches of \(training.microbatch)")
        print("learns <\(study.pseudoword.name)>, \(study.pseudoword.vectors) vectors, from \(pictures) pictures at \(size)")
        print(
            "evaluates \(study.evaluation.samples) samples every \(study.evaluation.every) steps, checkpoint every \(study.checkpointEvery)"
        )
        print(
            "samples computed in all: \(training.steps * training.batch) forward and backward, \((training.steps / study.evaluation.every + 1) * study.evaluation.samples) forward only"
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
    /// - Returns: the number of pictures.
    func check() throws -> Int {
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
