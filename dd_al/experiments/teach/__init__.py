"""Knowledge distillation: learners that are told what others say of the examples."""
