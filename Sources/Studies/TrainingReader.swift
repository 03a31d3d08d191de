// SPDX-License-Identifier: Apache-2.0

extension TrainingSettings {
    static let maximumSteps = 10_000_000
    static let maximumBatch = 4096

    init(_ section: Section) throws {
        self.init()
        steps = try section["steps"]?.integer(1...Self.maximumSteps) ?? steps
        batch = try section["batch"]?.integer(1...Self.maximumBatch) ?? batch
        microbatch = try section["microbatch"]?.integer(1...batch) ?? min(microbatch, batch)
        learningRate = try section["learning_rate"].map { [steps] in try LearningRate($0, steps: steps) } ?? learningRate
        optimizer = try OptimizerSettings(section.section("optimizer"))
        clipGradient = try section["clip_gradient"].map { [steps] in try GradientClip($0, steps: steps) } ?? clipGradient
        precision = try section["precision"].map(Precision.init) ?? precision
        seed = try section["seed"]?.unsigned() ?? seed
    }
}

extension Precision {
    init(_ setting: Setting) throws {
        let expected = "f32, bf16 or auto"
        guard let precision = try Precision(rawValue: setting.text(expected)) else { throw setting.outOfRange(expected) }
        self = precision
    }
}

extension LearningRate {
    init(_ setting: Setting, steps: Int) throws {
        let expected = "a number, a schedule such as \"0.005:500, 1e-3\", or {schedule: cosine, base: 5e-3, warmup: 50}"
        if setting.isMapping {
            let section = try setting.section()
            let base = try section.required("base", "a number above 0").number("a number above 0") { $0 > 0 }
            let warmup = try section["warmup"]?.integer(0...steps) ?? 0
            switch try section["schedule"]?.text("constant or cosine") ?? "constant" {
            case "constant": self = .constant(base: base, warmup: warmup)
            case "cosine": self = .cosine(base: base, warmup: warmup)
            default: throw section["schedule", default: setting].outOfRange("constant or cosine")
            }
        } else {
            let grammar = try setting.text(expected)
            try setting.check(grammar, steps: steps, allowsZero: true)
            self = .grammar(grammar)
        }
    }
}

extension Section {
    fileprivate subscript(key: String, default other: Setting) -> Setting { entries[key] ?? other }
}

extension Setting {
    /// Refuses text that is no schedule, under this setting's line and key.
    fileprivate func check(_ grammar: String, steps: Int, allowsZero: Bool) throws {
        do {
            let schedule = try LearningRateSchedule(grammar: grammar, maximumSteps: steps)
            if !allowsZero, schedule.trace.contains(where: { $0.rate == 0 }) { throw outOfRange("limits above 0") }
        } catch let error as StudyError where error.code == .invalidSchedule {
            throw failure(.invalidSchedule, error.message)
        }
    }
}

extension GradientClip {
    init(_ setting: Setting, steps: Int) throws {
        let expected = "none, {norm: 1.0} or {value: 0.1}"
        if setting.isMapping {
            let section = try setting.section()
            guard section.entries.count == 1, let limit = section["norm"] ?? section["value"] else {
                throw setting.failure(.outOfRange, "found \(section.entries.count) keys, expected \(expected)")
            }
            let grammar = try limit.text("a number above 0 or a schedule such as \"0.1:500, 0.05\"")
            try limit.check(grammar, steps: steps, allowsZero: false)
            self = section["norm"] != nil ? .norm(grammar) : .value(grammar)
        } else {
            guard try setting.text(expected) == "none" else { throw setting.outOfRange(expected) }
            self = .none
        }
    }

    /// The limit as a schedule over the steps, nil when nothing is clipped; past its end the last limit stays (`held(at:)`).
    package func schedule(maximumSteps: Int) throws -> LearningRateSchedule? {
        switch self {
        case .none: nil
        case .norm(let grammar), .value(let grammar): try LearningRateSchedule(grammar: grammar, maximumSteps: maximumSteps)
        }
    }
}

extension OptimizerSettings {
    init(_ section: Section) throws {
        self.init()
        if let name = section["name"], try name.text("adamw") != "adamw" { throw name.outOfRange("adamw") }
        let betas = try section["betas"]?.list(count: 2, "two numbers such as [0.9, 0.999]").map {
            try $0.number("a number from 0 to below 1") { (0..<1).contains($0) }
        }
        beta1 = betas?[0] ?? beta1
        beta2 = betas?[1] ?? beta2
        weightDecay = try section["weight_decay"]?.number("a number from 0 to 1") { (0...1).contains($0) } ?? weightDecay
        epsilon = try section["epsilon"]?.number("a number above 0 and at most 1") { $0 > 0 && $0 <= 1 } ?? epsilon
    }
}
