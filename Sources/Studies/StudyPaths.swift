// SPDX-License-Identifier: Apache-2.0

/// The files that a study names.
extension Study {
    /// The study with the relative paths of its model, pictures, templates and init file taken from this folder.
    package func resolvingPaths(against folder: String) -> Study {
        func resolved(_ path: String) -> String {
            if path.hasPrefix("/") { return path }
            let inside = path.hasPrefix("./") ? path.dropFirst(2).drop { $0 == "/" } : path[...]
            return folder.hasSuffix("/") ? folder + inside : "\(folder)/\(inside)"
        }
        var study = relocated(pictures: resolved(data.pictures), file: resolved)
        if model != Study.starterModel { study.model = resolved(model) }
        return study
    }

    /// The study with its pictures in another folder and its other files elsewhere, as copies of them on another machine are.
    ///
    /// - Parameters:
    ///   - pictures: the folder of the copies, which must have the names of the originals: captions and the order come from them.
    ///   - file: the new path of a templates file or an init file.
    package func relocated<Failure: Error>(pictures: String, file: (String) throws(Failure) -> String) throws(Failure) -> Study {
        func moved(_ templates: Templates) throws(Failure) -> Templates {
            if case .file(let path) = templates { .file(try file(path)) } else { templates }
        }
        var study = self
        study.data.pictures = pictures
        study.data.templates = try moved(data.templates)
        study.evaluation.templates = try evaluation.templates.map(moved)
        if case .file(let path) = pseudoword.initialization { study.pseudoword.initialization = .file(try file(path)) }
        var places: [String: String] = [:]
        for path in search?.files ?? [] { places[path] = try file(path) }
        study.search = search?.movingFiles { places[$0] ?? $0 }
        return study
    }

    /// The templates files and init files of all trials, each once.
    package var files: [(kind: StudyFileKind, path: String)] {
        var found: [(kind: StudyFileKind, path: String)] = []
        func add(_ kind: StudyFileKind, _ path: String) {
            if !found.contains(where: { $0.kind == kind && $0.path == path }) { found.append((kind, path)) }
        }
        for case .file(let path)? in [data.templates, evaluation.templates] { add(.templates, path) }
        if case .file(let path) = pseudoword.initialization { add(.initialization, path) }
        for path in search?.templateFiles ?? [] { add(.templates, path) }
        for path in search?.initializationFiles ?? [] { add(.initialization, path) }
        return found
    }
}

/// What a single file that a study names is for.
package enum StudyFileKind: String, Sendable {
    case templates
    case initialization = "init"
}

extension SearchSettings {
    fileprivate var templateFiles: [String] {
        choices("data.templates").map(\.text).filter { Templates.isFile($0) }
    }

    fileprivate var initializationFiles: [String] {
        choices("pseudoword.init.file").map(\.text) + choices("pseudoword.init").compactMap { $0["file"]?.text }
    }

    fileprivate var files: [String] { templateFiles + initializationFiles }

    private func choices(_ key: String) -> [SettingNode] {
        guard case .choice(let values)? = parameters.first(where: { $0.key == key })?.space else { return [] }
        return values
    }

    fileprivate func movingFiles(_ place: (String) -> String) -> SearchSettings {
        mappingChoices(of: "data.templates") { Templates.isFile($0.text) ? .text(place($0.text)) : $0 }
            .mappingChoices(of: "pseudoword.init.file") { .text(place($0.text)) }
            .mappingChoices(of: "pseudoword.init") { value in
                value["file"].map { .mapping(["file": .text(place($0.text))]) } ?? value
            }
    }
}

extension Templates {
    /// Whether the text that a study file has here is a path and not a name.
    static func isFile(_ text: String) -> Bool {
        !names.contains { $0.key == text } && (text.contains("/") || text.contains("."))
    }
}
