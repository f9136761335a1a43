SELECT ?fields FROM dead_letters
