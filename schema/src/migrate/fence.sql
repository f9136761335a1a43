(SELECT throwIf(count() = 0, 'another maintainer has taken over') FROM migration_lock WHERE holder = toUUID('$holder')) = 0
